"""Reading files of rows: .jsonl, .json and .txt. Every error names the file and the line."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from jobs.protocol.errors import DataError

ReadRows = Callable[[Path], Iterator[tuple[str, dict]]]


def read_file(path: Path) -> Iterator[tuple[str, dict]]:
    """(place, row as it stands in the file) for every row.

    Raises: DataError for a missing, empty or broken file.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; give a file ({', '.join(READERS)}).")
    if not path.exists():
        raise DataError(f"{path}: there is no such file.")
    if path.suffix.lower() not in READERS:
        raise DataError(f"{path}: files ending in {path.suffix!r} are not read; known: {', '.join(READERS)}.")
    empty = True
    try:
        for place, row in READERS[path.suffix.lower()](path):
            empty = False
            yield place, row
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason}); save it in UTF-8.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    if empty:
        raise DataError(f"{path} is empty: it holds no rows.")


def _jsonl(path: Path) -> Iterator[tuple[str, dict]]:
    with open(path, "rb") as file:
        for number, raw in enumerate(file, 1):
            place = f"{path.name}, line {number}"
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError:
                raise DataError(f"{place}: not UTF-8 text; save the file in UTF-8.") from None
            if not line:
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(f"{place}: broken JSON: {error}.") from None
            yield place, _object(row, place)


def _json(path: Path) -> Iterator[tuple[str, dict]]:
    text = path.read_text(encoding="utf-8-sig")
    if not text.strip():
        return
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        hint = " One object a line is JSONL: name the file .jsonl." if "Extra data" in error.msg else ""
        raise DataError(f"{path.name}, line {error.lineno}: broken JSON: {error.msg}.{hint}") from None
    if not isinstance(rows, list):
        raise DataError(f"{path.name}: a .json file of rows is a list [...], this is {type(rows).__name__}.")
    for number, row in enumerate(rows, 1):
        place = f"{path.name}, row {number}"
        yield place, _object(row, place)


def _object(row: object, place: str) -> dict:
    if not isinstance(row, dict):
        raise DataError(f"{place}: a row is an object with fields, this is {type(row).__name__}.")
    return row


def _txt(path: Path) -> Iterator[tuple[str, dict]]:
    """Texts parted by blank lines; where the file has none, one text a line."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    by_line = not blank_lines_part(lines)
    start, text = 0, []
    for number, line in enumerate([*lines, ""], 1):
        if line.strip():
            start = start if text else number
            text.append(line)
        if text and (by_line or not line.strip()):
            yield f"{path.name}, line {start}", {"text": "\n".join(text)}
            text = []


def blank_lines_part(lines: list[str]) -> bool:
    """Whether a blank line stands between two texts (those at the very end do not count)."""
    filled = [number for number, line in enumerate(lines) if line.strip()]
    return bool(filled) and filled[-1] - filled[0] + 1 > len(filled)


READERS: dict[str, ReadRows] = {".jsonl": _jsonl, ".json": _json, ".txt": _txt}
