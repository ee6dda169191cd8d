"""Tokenize data ahead of time: `python -m jobs.programs.prepare RUN_FOLDER`.

The result lies in spec.folder/<key>, or without a folder in the run folder; the key is a hash of content,
tokenizer and settings, so that the same is never made twice. Stopped, it goes on where it was.
"""

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from jobs.data import fingerprint
from jobs.data.chat import ensure_template
from jobs.data.checks.decide import BadRows
from jobs.data.prepare import Plan, prepare
from jobs.data.prepared import Manifest, PreparedSequences, is_prepared, load_manifest, validation_sequences
from jobs.models.tokenizers import load_tokenizer
from jobs.programs.process import Countdown, Process, main
from jobs.protocol.counted import counted
from jobs.protocol.errors import ResourceError
from jobs.specs.data_files import LOCK
from jobs.specs.job import PrepareSpec


def run(process: Process) -> None:
    """From `spec.data` to a folder of prepared data and result.json."""
    spec: PrepareSpec = process.spec
    process.phase("reading the source")
    tokenizer = load_tokenizer(spec.tokenizer)
    ensure_template(tokenizer, spec.data.template)
    content, rows = fingerprint.of_data(spec.data, process.check_stop)
    of_tokenizer = fingerprint.of_tokenizer(tokenizer)
    key = fingerprint.key_of(content, of_tokenizer, tokenizer)
    folder = Path(spec.folder) / key if spec.folder else process.run.prepared
    with alone(folder):
        if is_prepared(folder) and load_manifest(folder).key == key:
            process.note(f"{folder} holds this already: same content, tokenizer and settings.")
            manifest = load_manifest(folder)
        else:
            workers = spec.workers or os.cpu_count() or 1
            plan = Plan(folder, spec.data, tokenizer, key, of_tokenizer, workers)
            with BadRows(spec.data.on_bad_rows, process.run.bad_rows) as bad:
                manifest = prepare(plan, watched(process, rows), bad)
            if bad.counts:
                process.note(bad.sentence(), "warning")
    finish(process, folder, manifest)


def watched(process: Process, rows: int | None):
    """What is called with the rows done: shows progress where their number is known, and stops when asked."""
    process.phase("tokenizing")
    countdown = Countdown(process, rows or 0)

    def report(done: int) -> None:
        process.check_stop()
        if rows:
            countdown(min(done, rows))
        else:
            process.say(counted(done, "row"))

    return report


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Inside, no other job writes this folder. Raises: ResourceError where one does."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ResourceError(f"Another job is preparing the same data in {folder}; wait for it.") from None
        yield


def finish(process: Process, folder: Path, manifest: Manifest) -> None:
    """Tell what there is now."""
    process.note(manifest.note)
    for note in manifest.notes:
        process.note(note, "warning")
    found = PreparedSequences(folder)
    validation = len(validation_sequences(folder))
    process.note(
        f"{counted(len(found), 'sequence')} with {counted(found.tokens, 'token')}, {validation:,} held out."
    )
    process.note(f"They are in {folder}.")
    process.finish(
        "succeeded",
        prepared=str(folder),
        sequences=len(found),
        tokens=found.tokens,
        validation=validation,
        rows=sum(manifest.sequences),
        bad_rows=manifest.bad,
    )


if __name__ == "__main__":
    sys.exit(main("prepare", run))
