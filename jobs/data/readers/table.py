"""Tables: CSV with commas, TSV with tabs. The first line names the fields."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from jobs.data.readers.opening import opened_text
from jobs.protocol.errors import DataError

LONGEST = 2**28  # characters of a cell, and of a line
NO_UTF8 = re.compile(r"[\udc80-\udcff]")  # what "surrogateescape" makes of such bytes
JSON_FIELDS = ("messages", "conversations", "input_ids", "labels", "prompt_length", "history", "images")
"""Fields that are no text: their cells hold JSON."""


def read(path: Path, broken: Callable[[DataError], None]) -> Iterator[tuple[str, dict]]:
    """The table's rows, all cells text but those of JSON_FIELDS. Raises: DataError for a wrong head."""
    csv.field_size_limit(LONGEST)
    tabs = ".tsv" in [ending.lower() for ending in path.suffixes[-2:]]
    with opened_text(path, "surrogateescape") as file:  # a byte that is no UTF-8 spoils its own row alone
        table = csv.reader(_lines(file, path), delimiter="\t" if tabs else ",", strict=True)
        names = _head(table, path)
        while names:
            place = f"{path.name}, line {table.line_num + 1}"
            try:
                cells = next(table)
            except StopIteration:
                return
            except csv.Error as error:
                broken(DataError(f"{place}: broken table: {error}."))
                continue
            if not cells:
                continue
            if len(cells) != len(names):
                broken(DataError(f"{place}: {len(cells)} cells, but the first line names {len(names)}."))
                continue
            if any(NO_UTF8.search(cell) for cell in cells):
                broken(DataError(f"{place}: not UTF-8 text; save the file in UTF-8.", "encoding"))
                continue
            row = dict(zip(names, cells, strict=True))
            try:
                yield place, _parsed(row, place)
            except DataError as error:
                broken(error)


def _lines(file: TextIO, path: Path) -> Iterator[str]:
    """Raises: DataError for a line of which no end is in sight: the csv module would hold it whole."""
    while line := file.readline(LONGEST + 1):
        if len(line) > LONGEST:
            raise DataError(
                f"{path.name}: a line of more than {LONGEST >> 20} million characters. "
                "Is there a line end after each row?",
                "long line",
            )
        yield line


def _head(table: Iterator[list[str]], path: Path) -> list[str]:
    try:
        names = next(table, [])
    except csv.Error as error:
        raise DataError(f"{path.name}, line 1: broken table: {error}.") from None
    if any(NO_UTF8.search(name) for name in names):
        raise DataError(f"{path.name}, line 1: not UTF-8 text; save the file in UTF-8.")
    if len(set(names)) != len(names) or not all(name.strip() for name in names):
        raise DataError(f"{path.name}, line 1: the first line must name every field, each once.")
    return names


def _parsed(row: dict, place: str) -> dict:
    for name in JSON_FIELDS:
        if row.get(name):
            try:
                row[name] = json.loads(row[name])
            except ValueError as error:
                raise DataError(f"{place}: the field {name!r} must hold JSON: {error}.") from None
    return row
