"""The edge that all programs share: run folder, attempt, events, stop, errors and exit codes.

Exit codes: 0 the work is done or was stopped on request, 2 a StudioError (its sentence says what to do),
1 any other exception (its traceback is in the log). Rank 0 alone writes events and result.json; an error is
written by the rank that met it, unless another rank was first.
"""

import argparse
import contextlib
import errno
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from transformers.utils.logging import disable_progress_bar

from jobs.protocol.errors import DataError, ModelError, ResourceError, StudioError
from jobs.protocol.events import EventWriter, read_events
from jobs.protocol.folder import AttemptFolder, RunFolder, write_json
from jobs.specs.job import JobSpec
from jobs.specs.less_memory import less_memory
from jobs.specs.load import parse_spec

ATTEMPT = "DLLM_STUDIO_ATTEMPT"
WAIT_FOR_RANK_0 = 60.0  # seconds in which rank 0 must have made the attempt folder
PROGRESS_SECONDS = 0.5  # shortest time between two progress events
FULL_DISK = 2**20  # fewer bytes free than these: an error while writing is the disk's
ERROR_TAIL = 65536  # bytes of events.jsonl searched for an error that another rank wrote

OUT_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "unable to allocate",  # numpy, pyarrow
    "failed to allocate",
    "std::bad_alloc",
    "alloc_failed",  # cuBLAS, cuDNN
)
DISK_REMEDY = "Free disk space or move the studio's home folder, then resume the job."


class Stopped(Exception):
    """A stop was asked for; the edge records it and leaves with exit code 0."""


class Process:
    """One program at work on one attempt at a run."""

    def __init__(self, run: RunFolder, attempt: AttemptFolder, spec: Any, rank: int = 0, world: int = 1):
        self.run = run
        self.attempt = attempt
        self.spec = spec
        self.rank = rank
        self.world = world
        self.started = time.monotonic()
        self.events = EventWriter(run.events, attempt.number, enabled=rank == 0)
        self._terminated = False
        self._phase = ""
        self._last_progress = 0.0

    def phase(self, text: str) -> None:
        """Say what is done now."""
        if text != self._phase:
            self._phase = text
            self.events.write("phase", text=text)
            self.say(text)

    def note(self, text: str, level: str = "info") -> None:
        """Say something that a person should see."""
        self.events.write("note", text=text, level=level)
        self.say(text if level == "info" else f"{level}: {text}")

    def say(self, text: str) -> None:
        """A line for the log, from rank 0 alone."""
        if self.rank == 0:
            print(time.strftime("%H:%M:%S"), text, flush=True)  # noqa: T201 - standard output is the job's log

    def progress(self, step: int, total: int, seconds_left: float | None, force: bool = False) -> None:
        """Move the bar, at most every PROGRESS_SECONDS unless it is the last step."""
        now = time.monotonic()
        if step < total and not force and now - self._last_progress < PROGRESS_SECONDS:
            return
        self._last_progress = now
        left = None if seconds_left is None else round(max(0.0, seconds_left), 1)
        self.events.write("progress", step=step, total=total, seconds_left=left)

    def stop_requested(self) -> bool:
        """Whether this rank knows of a stop: a SIGTERM, or (rank 0, which alone looks) the stop file."""
        return self._terminated or (self.rank == 0 and self.attempt.stop_requested())

    def check_stop(self) -> None:
        """Raises: Stopped. For one-process programs; ranks must agree first."""
        if self.stop_requested():
            raise Stopped

    def finish(self, status: str, **facts: Any) -> None:
        """Write result.json: the work is done ("succeeded"), or a stop was asked for ("stopped")."""
        if self.rank == 0:
            seconds = round(time.monotonic() - self.started, 2)
            result = {"attempt": self.attempt.number, "status": status, "seconds": seconds, **facts}
            write_json(self.run.result_json, result)

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Inside, signals ask for a stop instead of ending the process."""
        before = {number: signal.signal(number, self.on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def on_signal(self, number: int, *_: Any) -> None:
        """SIGTERM and the first Ctrl-C ask for a stop; a second Ctrl-C ends the process at once."""
        self._terminated = True
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


class Countdown:
    """Time left of a loop whose parts take about equally long."""

    def __init__(self, process: Process, total: int):
        self.process = process
        self.total = total
        self.started = time.monotonic()
        self.first = 0

    def __call__(self, done: int, total: int | None = None) -> None:
        """`done` of `total` parts are done."""
        total = self.total if total is None else total
        elapsed = time.monotonic() - self.started
        left = elapsed / (done - self.first) * (total - done) if done > self.first else None
        self.process.progress(done, total, left)


def main(kind: str, body: Callable[[Process], None], arguments: list[str] | None = None) -> int:
    """Open the run folder named on the command line, run `body`, and turn its end into an exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m jobs.programs.{kind}")
    parser.add_argument("run_folder", type=Path)
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help="given by the launcher")
    given = parser.parse_args(arguments)
    disable_progress_bar()  # bars of characters are noise in a log file
    run = RunFolder(given.run_folder)
    rank = int(os.environ.get("RANK", "0"))
    attempt: AttemptFolder | None = None
    spec: JobSpec | None = None
    try:
        run.spec()  # a folder that is no run folder must not become one
        attempt = _attempt(run, rank)
        spec = parse_spec(run.spec(), where=str(run.spec_json))
        if spec.kind != kind:
            raise ResourceError(f"{run.path} holds a {spec.kind} job; start jobs.programs.{spec.kind}.")
        process = Process(run, attempt, spec, rank, int(os.environ.get("WORLD_SIZE", "1")))
        with process.signals():
            body(process)
    except Stopped:
        process.finish("stopped")
    except StudioError as error:
        report_error(run, attempt, str(error), failure_of(error), "")
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201 - the log of the job
        return 2
    except Exception as error:  # noqa: BLE001 - the process edge: every end must be recorded
        traceback.print_exc()
        failure, remedy = classify(error, spec)
        if is_disk_full(error, run.path):
            failure, remedy = "resource", DISK_REMEDY
        report_error(run, attempt, _sentence(error), failure, remedy)
        return 1
    return 0


def _attempt(run: RunFolder, rank: int) -> AttemptFolder:
    """The attempt named by the supervisor; started by hand: the latest unfinished one, or a new one."""
    named = os.environ.get(ATTEMPT)
    if named is not None:
        attempt = run.attempt(int(named))
        attempt.path.mkdir(parents=True, exist_ok=True)
        return attempt
    deadline = time.monotonic() + WAIT_FOR_RANK_0
    while True:
        latest = run.latest_attempt()
        if latest is not None and not _is_over(run, latest):
            return latest
        if rank == 0:
            return run.new_attempt()
        if time.monotonic() > deadline:
            raise ResourceError(f"Rank {rank} waited {WAIT_FOR_RANK_0:.0f} s for rank 0 to begin an attempt.")
        time.sleep(0.05)


def _is_over(run: RunFolder, attempt: AttemptFolder) -> bool:
    return attempt.exit_json.exists() or attempt.stop_requested()


def report_error(run: RunFolder, attempt: AttemptFolder | None, text: str, failure: str, remedy: str) -> None:
    """Append an `error` event, unless another rank of this attempt has told its own (the cause) before."""
    if attempt is None:
        return
    size = run.events.stat().st_size if run.events.exists() else 0
    for _, event in read_events(run.events, max(0, size - ERROR_TAIL)):
        if event.get("event") == "error" and event.get("attempt") == attempt.number:
            return
    try:
        writer = EventWriter(run.events, attempt.number)
        writer.write("error", text=text, failure=failure, remedy=remedy)
        writer.close()
    except OSError as error:  # a full disk: the log has the traceback, and the exit code still tells
        print(f"The error could not be recorded: {error}", file=sys.stderr)  # noqa: T201 - the log of the job


def failure_of(error: StudioError) -> str:
    """A name of FAILURES for an error that a person can mend."""
    for kind, name in ((DataError, "data"), (ModelError, "model"), (ResourceError, "resource")):
        if isinstance(error, kind):
            return name
    return "configuration"


def classify(error: BaseException, spec: JobSpec | None = None) -> tuple[str, str]:
    """(name of FAILURES, remedy) of any other exception, judged by the whole chain of causes. `spec` is the
    job's, for a remedy that names its settings."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    for e in chain:
        text = str(e).lower()
        number = getattr(e, "errno", None)
        if (
            isinstance(e, MemoryError)
            or type(e).__name__ == "OutOfMemoryError"
            or number == errno.ENOMEM
            or any(words in text for words in OUT_OF_MEMORY)
        ):
            return "memory", less_memory(spec)
        if number in (errno.ENOSPC, errno.EDQUOT) or "no space left" in text:
            return "resource", DISK_REMEDY
    return "program", ""


def is_disk_full(error: BaseException, folder: Path) -> bool:
    """Whether an error while writing to `folder` is the disk's; torch reports it as an error of its own."""
    failure, remedy = classify(error)
    return remedy == DISK_REMEDY or (failure == "program" and shutil.disk_usage(folder).free < FULL_DISK)


def _sentence(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:500]
