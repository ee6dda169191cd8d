"""One question to the model server on its Unix socket: a JSON line there, a JSON line back."""

import json
import os
import socket
from pathlib import Path
from typing import Any

LONGEST_PATH = 100  # bytes; the kernel's limit for socket paths is 107
CONNECT_SECONDS = 2.0


class Unreachable(Exception):
    """Nothing answers on the socket (yet, or any more)."""


def ask(path: Path, words: dict[str, Any], timeout: float) -> dict[str, Any]:
    """The server's reply.

    Raises: Unreachable where nobody listens, hangs up, or answers within `timeout` seconds.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.settimeout(CONNECT_SECONDS)
            _connect(connection, path)
            connection.settimeout(timeout)
            connection.sendall(json.dumps(words, ensure_ascii=False).encode() + b"\n")
            with connection.makefile("rb") as file:
                line = file.readline()
            return json.loads(line)
        except (OSError, ValueError) as error:
            raise Unreachable(str(error)) from None


def _connect(connection: socket.socket, path: Path) -> None:
    if len(os.fsencode(path)) <= LONGEST_PATH:
        connection.connect(str(path))
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
