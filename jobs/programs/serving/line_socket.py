"""A unix socket that takes one JSON line a connection and gives one back."""

import contextlib
import json
import os
import socket
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.protocol.errors import StudioError

LINE_LIMIT = 4 * 2**20  # bytes of one request
PATIENCE = 10.0  # seconds a client may take to send its line
PATH_LIMIT = 100  # bytes: a unix socket's path has room for 107
BACKLOG = 64
FAREWELL = 1.0  # seconds that each reply on its way has when the server leaves

Handle = Callable[[dict[str, Any]], dict[str, Any]]


class LineSocket:
    """Each connection is served in a thread of its own, so a slow client holds nobody up."""

    def __init__(self, path: Path, handle: Handle):
        self.path = path
        self.handle = handle
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)  # mode 0600 from the first moment
        try:
            with reachable(path) as address:
                self._socket.bind(address)
        finally:
            os.umask(mask)
        self._socket.listen(BACKLOG)
        self._talks: list[threading.Thread] = []

    def serve(self, seconds: float) -> None:
        """Wait at most so long for a client."""
        self._socket.settimeout(seconds)
        try:
            connection, _ = self._socket.accept()
        except TimeoutError:
            return
        self._talks = [talk for talk in self._talks if talk.is_alive()]
        self._talks.append(threading.Thread(target=self._talk, args=(connection,), daemon=True))
        self._talks[-1].start()

    def close(self) -> None:
        """Take no more clients; those whose reply is on its way still get it."""
        self._socket.close()
        self.path.unlink(missing_ok=True)
        for talk in self._talks:
            talk.join(FAREWELL)

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # the client left: there is nobody to tell
            connection.settimeout(PATIENCE)
            with connection.makefile("rb") as file:
                line = file.readline(LINE_LIMIT + 1)
            reply = self._reply(line)
            connection.sendall((json.dumps(reply, ensure_ascii=False) + "\n").encode())

    def _reply(self, line: bytes) -> dict[str, Any]:
        if len(line) > LINE_LIMIT:
            return {"ok": False, "error": f"The request is longer than {LINE_LIMIT} bytes."}
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):  # the latter: brackets in brackets, thousands deep
            return {"ok": False, "error": "The request is not one line of JSON."}
        if not isinstance(request, dict):
            return {"ok": False, "error": "The request must be a JSON object."}
        try:
            return {"ok": True, **self.handle(request)}
        except StudioError as error:
            return {"ok": False, "error": str(error)}
        except Exception as error:  # noqa: BLE001 - the edge of the thread: whoever asked gets a reply
            traceback.print_exception(error)
            return {"ok": False, "error": f"{type(error).__name__}: {error}"}


@contextlib.contextmanager
def reachable(path: Path):
    """An address for a socket file however long its path is: a long one goes through its open folder."""
    if len(os.fsencode(path)) <= PATH_LIMIT:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
