"""The first rows of a file as they stand in it, for lists: no more than a part of the file is read.

Tables in columns (Parquet, Arrow) and .zst need the engine's libraries, which the server does not load: of
these the list knows name and size, and the process that looks at data shows the rows.
"""

import bz2
import csv
import gzip
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jobs.protocol.errors import DataError
from jobs.specs.data_files import IN_COLUMNS, kind_of

PREVIEW_BYTES = 4_000_000  # decompressed
COUNT_BYTES = 64_000_000  # rows are counted in at most so much of a file
OPEN: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
BROKEN = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
SHOWN = 2000  # characters of a broken line
MESSAGE_KEYS = {"messages", "conversations", "completion", "instruction", "response", "output", "answer"}


def can_look(path: Path) -> bool:
    """Whether the server itself can show a file's rows."""
    return kind_of(path) not in IN_COLUMNS and path.suffix.lower() != ".zst"


def first_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows from the start of a file, at most PREVIEW_BYTES of it; a broken one is {"broken": text}.

    Raises: DataError for a file that cannot be looked at, OSError.
    """
    if not can_look(path):
        raise DataError(f"{path.name} is not shown here; the Data tab and `studio preview` do it.")
    try:
        with _opened(path) as file:
            data = file.read(PREVIEW_BYTES)
    except BROKEN as error:
        raise DataError(f"{path.name} is no whole {path.suffix} file: {error}.") from None
    whole, kind = len(data) < PREVIEW_BYTES, kind_of(path)
    if kind == ".json":
        yield from _list(path, data, whole)
        return
    lines = data.decode("utf-8-sig", "replace").split("\n")
    lines = lines if whole else lines[:-1]
    if kind in (".csv", ".tsv"):
        yield from _table(lines, "\t" if kind == ".tsv" else ",")
        return
    for line in lines:
        if line.strip():
            yield {"text": line} if kind == ".txt" else _row(line)


def count_rows(path: Path) -> tuple[int | None, bool]:
    """(rows, whether that is all of them): non-empty lines, counted in the first COUNT_BYTES.

    Raises: DataError, OSError.
    """
    if kind_of(path) == ".json":
        return sum(1 for _ in first_rows(path)), True
    count = -1 if kind_of(path) in (".csv", ".tsv") else 0  # the first line of a table names the fields
    seen = 0
    try:
        with _opened(path) as file:
            while line := file.readline(COUNT_BYTES + 1):  # a line need not end
                seen += len(line)
                if seen > COUNT_BYTES:
                    return max(count, 0), False
                count += bool(line.strip())
    except BROKEN as error:
        raise DataError(f"{path.name} is no whole {path.suffix} file: {error}.") from None
    return max(count, 0), True


def form_of(row: dict[str, Any] | None) -> str:
    """messages, text, prompts or unknown."""
    if not row or "broken" in row:
        return "unknown"
    if "text" in row:
        return "text"
    if MESSAGE_KEYS & row.keys():
        return "messages"
    return "prompts" if "prompt" in row else "unknown"


def _opened(path: Path) -> Any:
    return OPEN.get(path.suffix.lower(), open)(path, "rb")


def _row(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {"broken": line[:SHOWN]}
    return row if isinstance(row, dict) else {"broken": line[:SHOWN]}


def _table(lines: list[str], between: str) -> Iterator[dict[str, Any]]:
    table = csv.reader((line + "\n" for line in lines), delimiter=between)
    try:
        names = next(table, [])
        for cells in table:
            if cells:
                same = len(cells) == len(names)
                row = dict(zip(names, cells, strict=True)) if same else {}
                yield row or {"broken": between.join(cells)[:SHOWN]}
    except csv.Error as error:
        yield {"broken": str(error)}


def _list(path: Path, data: bytes, whole: bool) -> Iterator[dict[str, Any]]:
    if not whole:
        raise DataError(f"{path.name} is too big to be shown; save it as .jsonl, a row a line.")
    try:
        rows = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path.name} is not valid JSON: {error}.") from None
    if not isinstance(rows, list):
        raise DataError(f"{path.name}: a .json file of rows is a list [...].")
    yield from (row if isinstance(row, dict) else {"broken": str(row)[:SHOWN]} for row in rows)
