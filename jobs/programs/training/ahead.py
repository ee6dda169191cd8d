"""Large data are tokenized into files before the training, as a prepare job does it, and read from there:
memory stays flat, and the next training with the same data, tokenizer and settings finds them.

Rank 0 prepares; the others wait for its files, for they share the disk.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Any

from jobs.data import fingerprint
from jobs.data.checks.decide import BadRows
from jobs.data.load import opened
from jobs.data.prepare import Plan, prepare
from jobs.data.prepared import is_prepared
from jobs.programs.prepare import alone, watched
from jobs.programs.process import Process, Stopped
from jobs.specs.data import DataSpec
from jobs.specs.data_files import LOCK, PACKED

LARGE = 256 * 2**20  # bytes of text from which on rows are not held in memory
UNPACKED = 4  # times its size, about, that compressed text becomes
FEW_ROWS = 100_000  # with a data.limit up to this, rows fit into memory from whatever source
POLL_SECONDS = 0.5


def is_ahead(data: DataSpec) -> bool:
    """Whether these data are prepared first. Raises: DataError, SpecError."""
    if data.ahead != "large":
        return data.ahead == "always"
    if data.builder is not None or (data.limit is not None and data.limit <= FEW_ROWS):
        return False
    sources = [source for _, source in opened(data)]
    if any(not source.files for source in sources):  # of the Hub: nobody knows how much it is
        return True
    files = [path for source in sources for path in source.files]
    return sum(p.stat().st_size * (UNPACKED if p.suffix.lower() in PACKED else 1) for p in files) > LARGE


def prepared_ahead(process: Process, data: DataSpec, tokenizer: Any) -> Path:
    """The folder of these data, prepared now or before. The tokenizer has its chat template.

    Raises: Stopped, DataError, ModelError, ResourceError.
    """
    process.phase("preparing the data")
    content, rows = fingerprint.of_data(data, process.check_stop if process.rank == 0 else lambda: None)
    of_tokenizer = fingerprint.of_tokenizer(tokenizer)
    key = fingerprint.key_of(content, of_tokenizer, tokenizer)
    folder = (Path(data.ahead_folder) if data.ahead_folder else process.run.prepared) / key
    if process.rank:
        wait_for(folder, process)
        return folder
    while is_locked(folder) and not is_prepared(folder):
        process.say(f"another job is preparing the same data in {folder}")
        process.check_stop()
        time.sleep(POLL_SECONDS)
    if not is_prepared(folder):
        with alone(folder), BadRows(data.on_bad_rows, process.run.bad_rows) as bad:
            workers = os.cpu_count() or 1
            prepare(Plan(folder, data, tokenizer, key, of_tokenizer, workers), watched(process, rows), bad)
    return folder


def wait_for(folder: Path, process: Process) -> None:
    """Until rank 0 has prepared the folder. Raises: Stopped where it gave up because it was told to stop."""
    while not is_prepared(folder):
        told = process.stop_requested() or process.attempt.stop_requested()
        if told and not is_locked(folder) and not is_prepared(folder):
            raise Stopped
        time.sleep(POLL_SECONDS)


def is_locked(folder: Path) -> bool:
    """Whether a process prepares the folder right now."""
    try:
        with open(folder / LOCK) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
