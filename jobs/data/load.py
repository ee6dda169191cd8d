"""All rows of a job: from a file or a builder, in one known form."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobs.data import formats
from jobs.data.builders import build
from jobs.data.files import blank_lines_part, read_file
from jobs.data.rows import Row
from jobs.protocol.errors import DataError
from jobs.specs.data import DataSpec

CHUNK = 2048  # rows read between two calls of `report`


@dataclass(frozen=True)
class Rows:
    """What was read: the rows, and how it was understood."""

    rows: list[Row]
    form: str  # a name of formats.FORMATS
    kind: str  # "messages" or "text"
    note: str  # one sentence for the person who started the job


def load_rows(data: DataSpec, report: Callable[[int], None] = lambda done: None) -> Rows:
    """Every row of the source, at most `data.limit`.

    `report(rows read)` is called every CHUNK rows and may raise to stop.

    Raises: DataError with file, line and field; SpecError for an unknown builder or option.
    """
    source = Path(data.path).name if data.path is not None else f"builder {data.builder}"
    rows: list[Row] = []
    form = ""
    for row_form, row in _located(data):
        form = row_form
        rows.append(row)
        if len(rows) % CHUNK == 0:
            report(len(rows))
        if data.limit is not None and len(rows) >= data.limit:
            break
    if not rows:
        raise DataError(f"{source} gives no rows.")
    report(len(rows))
    kind = "text" if rows[0].text is not None else "messages"
    note = f"{source}: {len(rows)} rows read as {form} ({formats.FORMATS[form].NOTE})"
    return Rows(rows, form, kind, f"{note}{_how_parted(data)}.")


def read_rows(path: Path, format: str = "auto") -> Iterator[Row]:
    """Rows of a file, one by one. Raises: DataError naming file, line and field."""
    for _, row in _in_form(read_file(path), format, str(path.name)):
        yield _beside(path, row)


def _located(data: DataSpec) -> Iterator[tuple[str, Row]]:
    if data.path is not None:
        path = Path(data.path)
        found = _in_form(read_file(path), data.format, path.name)
        return ((form, _beside(path, row)) for form, row in found)
    return _in_form(_built(str(data.builder), data.options), data.format, f"builder {data.builder}")


def _beside(path: Path, row: Row) -> Row:
    """A row that knows where its pictures lie."""
    return replace(row, folder=path.resolve().parent) if row.pictures else row


def _built(name: str, options: dict[str, Any]) -> Iterator[tuple[str, dict]]:
    for number, row in enumerate(build(name, options), 1):
        yield f"builder {name}, row {number}", row


def _in_form(located: Iterator[tuple[str, dict]], wanted: str, source: str) -> Iterator[tuple[str, Row]]:
    """Rows in the form of the first one. Raises: DataError where another one differs."""
    form = ""
    for place, given in located:
        if not form:
            form = formats.detect(given, place)
            _fits(form, wanted, source)
        yield form, formats.to_row(form, given, place)


def _fits(form: str, wanted: str, source: str) -> None:
    kind = "text" if form == "text" else "messages"
    if wanted not in ("auto", kind):
        raise DataError(
            f"{source} holds {form} rows ({formats.FORMATS[form].NOTE}), but data.format is {wanted!r}. "
            f"Set data.format to {kind!r} or auto."
        )


def _how_parted(data: DataSpec) -> str:
    if data.path is None or Path(data.path).suffix.lower() != ".txt":
        return ""
    lines = Path(data.path).read_text(encoding="utf-8-sig").splitlines()
    return ", parted by blank lines" if blank_lines_part(lines) else ", one text a line"
