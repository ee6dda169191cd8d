"""The lines of events.jsonl: what a program tells the world.

Every line is one JSON object with `event`, `time` (seconds since 1970) and `attempt`, and:

    phase     text                                what it is doing now ("loading the model")
    progress  step, total, seconds_left           moves the bar
    metrics   step, values {name: number}         loss, learning_rate, grad_norm, tokens_per_second ...
    levels    step, loss [8 numbers or null], count [8]   loss by noise level, bin i = t in (i/8, (i+1)/8]
    validation_levels  step, loss, count          the same on the rows held out, under fixed masks
    sample    step, prompt, request               a trajectory was written to samples/<request>.jsonl
    checkpoint step, path                         a checkpoint is whole on disk
    note      text, level "info" | "warning"      something a person should see
    error     text, failure, remedy               why the program gives up; failure is a name of FAILURES
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LEVELS = 8  # bins of the noise level t in every loss-by-noise-level statistic

FAILURES = {  # name -> what a person reads
    "memory": "out of memory",
    "data": "a problem with the data",
    "model": "a problem with the model",
    "configuration": "a problem with the settings",
    "resource": "the machine has not got what is needed",
    "killed": "the process was killed",
    "lost": "no sign of life",
    "program": "an error in the program",
}


class EventWriter:
    """Appends events. Each goes out as one O_APPEND write, so lines of several writers never mix.

    Half a line that a kill, a full disk or a power loss left is closed first: it must cost no other.
    """

    def __init__(self, path: Path, attempt: int, enabled: bool = True):
        self.attempt = attempt
        self._fd: int | None = None
        self._torn = False
        if enabled:
            self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            size = os.fstat(self._fd).st_size
            self._torn = size > 0 and os.pread(self._fd, 1, size - 1) != b"\n"

    def write(self, event: str, **fields: Any) -> None:
        """Append one event; nothing on ranks that must stay silent. Raises: OSError, as on a full disk."""
        if self._fd is None:
            return
        line = {"event": event, "time": round(time.time(), 3), "attempt": self.attempt, **fields}
        data = (json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n").encode()
        data = b"\n" + data if self._torn else data
        self._torn = True
        written = os.write(self._fd, data)
        while written < len(data):  # the disk took a part of it; now it says why
            written += os.write(self._fd, data[written:])
        self._torn = False

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def read_events(path: Path, offset: int = 0, limit: int = 4_000_000) -> Iterator[tuple[int, dict]]:
    """(offset after the line, event) for every whole line from `offset`, at most `limit` bytes.

    A line still being written (no newline yet) is left for the next call; a broken one is passed over,
    as after a power loss.
    """
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            chunk = file.read(limit)
    except FileNotFoundError:
        return
    end = chunk.rfind(b"\n")
    for line in chunk[: end + 1].splitlines(keepends=True):
        offset += len(line)
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield offset, event
