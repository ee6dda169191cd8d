"""Plain text: parted by blank lines; where the file has none, one text a line."""

from collections.abc import Callable, Iterator
from pathlib import Path

from jobs.data.checks.lines import LONGEST, raw_lines, too_long
from jobs.data.readers.opening import opened
from jobs.protocol.errors import DataError


def read(path: Path, broken: Callable[[DataError], None]) -> Iterator[tuple[str, dict]]:
    """The texts as `{"text": ...}`. Raises: DataError for a broken stream."""
    by_line = not is_parted(path)
    start, text = 0, []
    for number, line in _decoded(path, broken):
        if line.strip():
            start = start if text else number
            text.append(line)
        if text and (by_line or not line.strip()):
            yield f"{path.name}, line {start}", {"text": "\n".join(text)}
            text = []
    if text:
        yield f"{path.name}, line {start}", {"text": "\n".join(text)}


def _decoded(path: Path, broken: Callable[[DataError], None]) -> Iterator[tuple[int, str]]:
    with opened(path) as file:
        for number, raw, size in raw_lines(file):
            place = f"{path.name}, line {number}"
            if size > LONGEST:
                broken(too_long(place, raw, size).error())
                continue
            try:
                yield number, raw.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                broken(DataError(f"{place}: not UTF-8 text; save the file in UTF-8.", "encoding"))


def is_parted(path: Path) -> bool:
    """Whether a blank line stands between two texts (those at the beginning and end do not count)."""
    begun = blank = False
    with opened(path) as file:
        for _, line, _ in raw_lines(file):
            if not line.strip():
                blank = begun
            elif blank:
                return True
            else:
                begun = True
    return False
