"""Lines, read so that a bad one does not hide those after it, in memory for one; and those of JSON Lines."""

import json
from collections.abc import Iterator
from typing import IO, Any

from jobs.data.checks.problems import Problem

LONGEST = 32 * 2**20  # bytes of a line; a longer one is a file without line ends, not a row
PIECE = 2**20  # bytes in which the rest of such a line is passed over
BOM = b"\xef\xbb\xbf"


def lines(file: IO[bytes], name: str) -> Iterator[tuple[str, dict[str, Any] | Problem]]:
    """(place, row or what is wrong with it) for every line that is not blank, of a file opened for bytes."""
    for number, raw, size in raw_lines(file):
        place = f"{name}, line {number}"
        if size > LONGEST:
            yield place, too_long(place, raw, size)
        elif raw.strip():
            yield place, row_of(raw, place)


def raw_lines(file: IO[bytes]) -> Iterator[tuple[int, bytes, int]]:
    """(number from 1, line with its end, bytes) for each line, the first without a byte order mark. Of one
    with more than LONGEST bytes only the beginning is given; the rest is passed over in pieces."""
    number = 0
    while raw := file.readline(LONGEST + 1):
        number += 1
        size = len(raw) + (_rest(file) if len(raw) > LONGEST and not raw.endswith(b"\n") else 0)
        yield number, raw.removeprefix(BOM) if number == 1 else raw, size


def row_of(raw: bytes, place: str) -> dict[str, Any] | Problem:
    """One line as a row, or what is wrong with it."""
    try:
        row = json.loads(raw.decode("utf-8"), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        byte = f"byte {raw[error.start]:#04x} at {error.start}"
        text = f"{place}: not UTF-8 text ({byte}); save the file in UTF-8."
        return Problem("encoding", place, text, raw)
    except _NoNumber as error:
        return Problem(
            "number", place, f"{place}: {error} is no number of JSON; leave it out or write null.", raw
        )
    except RecursionError:
        return Problem("depth", place, f"{place}: lists or objects in each other without end.", raw)
    except ValueError as error:
        return Problem("json", place, f"{place}: broken JSON: {_told(error)}.", raw)
    if not isinstance(row, dict):
        text = f"{place}: a row is an object with fields, this is {type(row).__name__}."
        return Problem("object", place, text, row)
    return row


class _NoNumber(Exception):
    """NaN, Infinity or -Infinity."""


def _no_number(word: str) -> None:
    raise _NoNumber(word)


def _told(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.colno}"
    return str(error)


def _rest(file: IO[bytes]) -> int:
    """How many bytes a line had left; they are passed over."""
    passed = 0
    while piece := file.readline(PIECE):
        passed += len(piece)
        if piece.endswith(b"\n"):
            break
    return passed


def too_long(place: str, raw: bytes, size: int) -> Problem:
    """What is wrong with a line of more than LONGEST bytes."""
    text = (
        f"{place}: a line of {size / 2**20:.0f} MiB; a row has at most {LONGEST >> 20} MiB. "
        "Is there a line end after each row?"
    )
    return Problem("long line", place, text, raw[:PIECE])
