"""What a watched program tells the test, past everything that is under test.

It appends to <home>/witness.jsonl: each beginning, and each process that tries to get away. For as long as it
or what it left behind lives, it holds a lock on a file for its device. Who finds a device's lock held
says so: it was leased to two at once, or again before the first had gone.
"""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from jobs.protocol.folder import AttemptFolder, RunFolder, read_json
from jobs.protocol.identity import ProcessIdentity


class Witness:
    """One process of an attempt: a rank, or the program itself."""

    def __init__(self, run: RunFolder, attempt: AttemptFolder):
        home = run.path.parents[1]
        self.path = home / "witness.jsonl"
        self.about = {"job": run.id, "attempt": attempt.number, "rank": int(os.environ.get("RANK", 0))}
        leased = read_json(attempt.run_json)["devices"]
        device = leased[self.about["rank"]] if leased else None
        held = device is None or self._lock(home / f"witness.{device}.lock")
        self.tell(began=True, device=device, overlap=not held)

    def tell(self, **fields: Any) -> None:
        """One line, with who we are."""
        me = ProcessIdentity.of(os.getpid())
        line = {**self.about, **fields, "process": me.to_dict() if me else None}
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(fd, (json.dumps(line) + "\n").encode())
        os.close(fd)

    def _lock(self, path: Path) -> bool:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.set_inheritable(fd, True)  # a grandchild uses the device as much as we do
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def heard(home: Path) -> list[dict[str, Any]]:
    """Every line so far."""
    path = home / "witness.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
