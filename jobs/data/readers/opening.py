"""Files as streams of bytes, whatever they are compressed with."""

import bz2
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow

from jobs.protocol.errors import DataError


def _zst(path: Path) -> BinaryIO:
    stream = pyarrow.input_stream(str(path), compression="zstd")  # the standard library has it from 3.14 on
    return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, stream)))


COMPRESSED: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _zst,
}


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, decompressed as they are read.

    Raises: DataError, inside too, where the compressed stream is cut short or broken.
    """
    suffix = path.suffix.lower()
    if suffix not in COMPRESSED:
        with open(path, "rb") as file:
            yield file
        return
    try:
        with COMPRESSED[suffix](path) as stream:
            yield stream
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, pyarrow.ArrowException) as error:
        raise DataError(_damaged(path, error)) from None
    except OSError as error:
        if error.errno is not None:  # of the file itself, not of what is in it
            raise
        raise DataError(_damaged(path, error)) from None


def _damaged(path: Path, error: Exception) -> str:
    return f"{path.name} is no whole {path.suffix} file ({error}); it may have been cut short: get it again."


@contextlib.contextmanager
def opened_text(path: Path, errors: str = "strict") -> Iterator[io.TextIOWrapper]:
    """The same as UTF-8 text, its line ends as they are, without a byte order mark. Raises: DataError."""
    with opened(path) as file, io.TextIOWrapper(file, "utf-8-sig", errors, newline="") as text:
        yield text
