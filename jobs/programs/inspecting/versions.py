"""A new version of a data set: its rows with some changed or left out, and where it came from.

    mine-v2.jsonl            the rows
    mine-v2.lineage.json     source, its SHA-256, what was changed, when

The source is only read. A version of a version names that one; so the chain goes back to the first file.
Rows of one file are copied as they stand there. Those of a mix, of renamed columns or of a dataset_info.json
are written in the studio's own form, for they would be read otherwise without these settings.
"""

import hashlib
import json
import time
import uuid
from pathlib import Path
from typing import Any

from jobs.data import fingerprint, formats
from jobs.data.checks.scan import Found
from jobs.data.load import look, opened
from jobs.protocol.errors import DataError
from jobs.protocol.folder import write_json
from jobs.specs.data import DataSpec
from jobs.specs.data_files import LINEAGE
from jobs.specs.inspect import VersionAsk

PIECE = 2**20  # bytes hashed at a time


def lineage_file(path: Path) -> Path:
    """Where it is written what a version came from."""
    return path.with_name(path.stem + LINEAGE)


def write_version(ask: VersionAsk) -> dict[str, Any]:
    """Write the file, then its lineage; returns the lineage. Bad rows that were not mended are left out, and
    counted there.

    Raises: DataError where an edit names no row or is none, or the file is there already.
    """
    target = Path(ask.target)
    if target.exists():
        raise DataError(f"{target.name} is there already; choose another name.")
    target.parent.mkdir(parents=True, exist_ok=True)
    for number, row in ask.edits.items():
        place = f"the edited row {number + 1}"
        formats.to_row(formats.detect(row, place), row, place)
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        counts = _copy(ask, aside)
        lineage = {
            "source": ask.data.path or f"builder {ask.data.builder}",
            "options": ask.data.options,
            **_source(ask.data),
            "sha256": _digest(aside),
            "edited": sorted(ask.edits),
            "excluded": sorted(set(ask.excluded)),
            "note": ask.note,
            "created": time.time(),
            **counts,
        }
        write_json(lineage_file(target), lineage)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    return {"path": str(target), **lineage}


def _source(data: DataSpec) -> dict[str, str | None]:
    """What tells the source's content: a file's SHA-256, else the fingerprint of what is read and how."""
    files = [path for _, source in opened(data) for path in source.files]
    if files == [Path(str(data.path))]:
        return {"source_sha256": _digest(files[0])}
    return {"source_sha256": None, "source_fingerprint": fingerprint.of_data(data, lambda: None)[0]}


def _copy(ask: VersionAsk, aside: Path) -> dict[str, Any]:
    """How many rows came in and went out."""
    excluded, edits = set(ask.excluded), dict(ask.edits)
    as_they_stand = ask.data.builder is not None or (
        Path(str(ask.data.path)).exists() and not ask.data.columns and ask.data.info is None
    )
    read = written = left_out = 0
    bad: dict[str, int] = {}
    with open(aside, "w", encoding="utf-8", errors="strict") as file:
        for number, found in enumerate(look(ask.data, pictures=False)):
            read += 1
            _check(found)
            if number in excluded:
                left_out += 1
            elif number in edits or found.problem is None:
                row = edits[number] if number in edits else found.raw if as_they_stand else _own(found)
                file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
                written += 1
            elif found.problem.ends_the_file:
                raise found.problem.error()
            else:
                bad[found.problem.kind] = bad.get(found.problem.kind, 0) + 1
    beyond = sorted(n for n in {*edits, *excluded} if n >= read)
    if beyond:
        raise DataError(f"there is no row {beyond[0] + 1}; the source has {read}.")
    if not written:
        raise DataError("no row would be left; keep at least one.")
    return {"rows_read": read, "rows": written, "rows_excluded": left_out, "bad_rows": bad}


def _check(found: Found) -> None:
    """Raises: DataError for rows that a version cannot have."""
    if found.row is not None and found.row.pictures:
        raise DataError(f"{found.place}: rows with images stay in their folder; edit the file itself.")
    if found.held_out:
        raise DataError(
            f"{found.place}: a slice holds this row out, which a file cannot say; leave the slice away."
        )


def _own(found: Found) -> dict[str, Any]:
    """A good row in the studio's own form."""
    row = found.row
    assert row is not None  # that is what good ones have
    name = "input_ids" if row.tokens is not None else row.kind
    return formats.FORMATS[name].from_row(row, lambda what: None)


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            found.update(piece)
    return found.hexdigest()
