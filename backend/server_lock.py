"""One server a home folder: a lock file that the kernel lets go when its holder dies."""

import contextlib
import fcntl
import json
import os
from pathlib import Path

from jobs.protocol.errors import ResourceError


class ServerLock:
    """`<home>/server.lock`, held by `studio launch`; its text tells others where the server listens."""

    def __init__(self, home: Path):
        self.path = home / "server.lock"
        self._fd: int | None = None

    def acquire(self, url: str = "") -> None:
        """Take the lock and note `url` in it. Raises: ResourceError if a server runs on this home."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            facts = _read(fd)
            os.close(fd)
            where = f" at {facts['url']}" if facts.get("url") else ""
            raise ResourceError(
                f"A server already runs on {self.path.parent}{where} (process {facts.get('pid', '?')}). "
                "Use that one, or choose another --home."
            ) from None
        self._fd = fd
        self.note(url)

    def note(self, url: str) -> None:
        """Write where the server listens, once that is known."""
        if self._fd is None:
            raise AssertionError("note() before acquire()")
        text = json.dumps({"pid": os.getpid(), "url": url}).encode()
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text, 0)

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @classmethod
    def holder(cls, home: Path) -> dict | None:
        """{pid, url} of the server that runs on `home`, None if there is none."""
        try:
            fd = os.open(home / "server.lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
        except BlockingIOError:
            return _read(fd)
        finally:
            os.close(fd)


def _read(fd: int) -> dict:
    with contextlib.suppress(OSError, ValueError):
        data = json.loads(os.pread(fd, 4096, 0))
        if isinstance(data, dict):
            return data
    return {}
