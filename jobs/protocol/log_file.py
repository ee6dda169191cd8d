"""The log of an attempt: it may not fill the disk, however much a program says.

Programs write straight into the file, so nothing stands between them and it. When it has grown too much its
middle is given back to the file system as a hole (fallocate(2), FALLOC_FL_PUNCH_HOLE): the size and every
offset stay as they are, so writers and readers notice nothing; beginning and end are kept, and one line says
how much is missing. Not every file system can do that; there the log grows on, and says so.
"""

import contextlib
import ctypes
import os
from pathlib import Path

LIMIT = 512 * 2**20  # bytes on disk
HEAD, TAIL = 32 * 2**20, 128 * 2**20  # bytes that are kept
BLOCK = 4096
KEEP_SIZE, PUNCH_HOLE = 1, 2  # linux/falloc.h
CANNOT = "\nThis log is large, and its file system cannot drop the middle of a file: it goes on growing.\n"


class LogCap:
    """Keeps one log below `limit` bytes on disk. Call `check` now and then."""

    def __init__(self, path: Path, limit: int = LIMIT, head: int = HEAD, tail: int = TAIL):
        self.path, self.limit, self.head, self.tail = path, limit, head, tail
        self._cannot = False

    def check(self) -> None:
        """Drop the middle if there is too much of it. Raises: OSError if the log cannot be opened."""
        if self._cannot or os.stat(self.path).st_blocks * 512 <= self.limit:
            return
        with open(self.path, "r+b", buffering=0) as file:  # not for appending: the note goes into the middle
            begin = _blocks(self.head)
            end = _blocks(os.fstat(file.fileno()).st_size - self.tail)
            if end - begin < 2 * BLOCK:
                return
            try:
                _punch(file.fileno(), begin, end - begin)
            except OSError:
                self._cannot = True
                with open(self.path, "ab") as log:
                    log.write(CANNOT.encode())
                return
            note = (
                f"\n[... {(end - begin) / 1e6:,.0f} MB are left out here, for the log grew too large ...]\n"
            )
            os.pwrite(file.fileno(), note.encode(), begin)


def read_part(path: Path, offset: int, limit: int) -> tuple[bytes, int]:
    """(bytes, offset after them) from `offset` on, at most about `limit`; what was left out is passed over.

    A negative offset counts from the end. Nothing, and `offset`, where there is no log.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            offset = max(0, size + offset) if offset < 0 else min(offset, size)
            end = size
            with contextlib.suppress(OSError):  # nothing but a hole from here on; or it knows no holes
                offset = os.lseek(file.fileno(), offset, os.SEEK_DATA)
                end = os.lseek(file.fileno(), offset, os.SEEK_HOLE)
            data = os.pread(file.fileno(), min(limit, end - offset), offset)
            return data.replace(b"\0", b""), offset + len(data)
    except OSError:
        return b"", max(0, offset)


def _blocks(size: int) -> int:
    """Whole blocks only: a part of one would be written with zeros, not given back."""
    return size // BLOCK * BLOCK


def _punch(fd: int, offset: int, length: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    flags = KEEP_SIZE | PUNCH_HOLE
    if libc.fallocate(fd, flags, ctypes.c_int64(offset), ctypes.c_int64(length)):
        raise OSError(ctypes.get_errno(), "fallocate")
