"""Whether anything was committed to the database since the last look, for a few microseconds."""

import contextlib
import sqlite3
import threading
from pathlib import Path


class ChangeCounter:
    """A connection of its own that only ever asks SQLite's data_version.

    That number moves with every commit of any other connection, in this process or another
    (https://sqlite.org/pragma.html#pragma_data_version).
    """

    def __init__(self, path: Path):
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def read(self) -> int:
        """A number that differs from the last one if there was a commit in between; -1: it cannot be told."""
        with self._lock:
            try:
                if self._connection is None:
                    uri = f"{self._path.absolute().as_uri()}?mode=ro"
                    self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
                return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error:
                self._close()
                return -1

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
