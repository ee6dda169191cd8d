"""Rows from one form into another, written as a file, with what the other form has no room for."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow
from pyarrow import parquet

from jobs.data import formats
from jobs.data.load import RowStream
from jobs.protocol.errors import DataError
from jobs.specs.data import DataSpec

BATCH = 1024  # rows written together


@dataclass
class Converted:
    """What was written, and what was lost on the way."""

    rows: int = 0
    note: str = ""  # how the rows were read
    lost: Counter[str] = field(default_factory=Counter)  # what -> in how many rows


def convert(data: DataSpec, form: str, path: Path) -> Converted:
    """Write the spec's rows in a form of formats.FORMATS into a file of WRITERS.

    Raises: DataError for an unknown form or ending, a file that is there already, a row that is wrong.
    """
    if form not in formats.FORMATS:
        raise DataError(f"there is no format {form!r}; known: {', '.join(formats.FORMATS)}.")
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        raise DataError(
            f"{path}: files ending in {path.suffix!r} are not written; known: {', '.join(WRITERS)}."
        )
    if path.exists():
        raise DataError(f"{path} is there already; give another name.")
    stream, done = RowStream(data), Converted()
    aside = path.with_name(f".{path.name}")
    try:
        write(aside, _rows(stream, form, done))
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    done.note = stream.note()
    for _, part in stream.parts:
        if part.fields[1]:
            done.lost[f"fields {', '.join(part.fields[1])} of {part.source.name}"] = part.count
    return done


def _rows(stream: RowStream, form: str, done: Converted):
    for row in stream.rows():
        lost: set[str] = set()
        yield formats.FORMATS[form].from_row(row, lost.add)
        done.rows += 1
        done.lost.update(lost)


def _jsonl(path: Path, rows) -> None:
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _json(path: Path, rows) -> None:
    with open(path, "w", encoding="utf-8") as file:
        for number, row in enumerate(rows):
            file.write(("[\n" if number == 0 else ",\n") + json.dumps(row, ensure_ascii=False))
        file.write("\n]\n")


def _parquet(path: Path, rows) -> None:
    writer = None
    held: list[dict] = []

    def flush() -> None:
        nonlocal writer
        table = pyarrow.Table.from_pylist(held, writer.schema if writer else None)
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
        held.clear()

    try:
        for row in rows:
            held.append(row)
            if len(held) == BATCH:
                flush()
        if held:
            flush()
    except pyarrow.ArrowException as error:
        raise DataError(f"{path.name}: the rows do not fit into columns ({error}); write .jsonl.") from None
    finally:
        if writer is not None:
            writer.close()


WRITERS: dict[str, Callable] = {".jsonl": _jsonl, ".json": _json, ".parquet": _parquet}
