"""A new version of a data set: its rows with some changed or left out, and where it came from.

    mine-v2.jsonl            the rows
    mine-v2.lineage.json     source, its SHA-256, what was changed, when

The source is only read. A version of a version names that one; so the chain goes back to the first file.
"""

import hashlib
import json
import time
import uuid
from pathlib import Path
from typing import Any

from jobs.data import formats
from jobs.programs.inspecting.source import rows_of
from jobs.protocol.errors import DataError
from jobs.protocol.folder import write_json
from jobs.specs.inspect import VersionAsk

PIECE = 2**20  # bytes hashed at a time


def lineage_file(path: Path) -> Path:
    """Where it is written what a version came from."""
    return path.with_name(path.stem + ".lineage.json")


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
            "source_sha256": _digest(Path(ask.data.path)) if ask.data.path else None,
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


def _copy(ask: VersionAsk, aside: Path) -> dict[str, Any]:
    """How many rows came in and went out."""
    excluded, edits = set(ask.excluded), dict(ask.edits)
    read = written = left_out = 0
    bad: dict[str, int] = {}
    with open(aside, "w", encoding="utf-8", errors="strict") as file:
        for number, found in enumerate(rows_of(ask.data, pictures=False)):
            read += 1
            if found.row is not None and found.row.pictures:
                raise DataError(
                    f"{found.place}: rows with images stay in their folder; edit the file itself."
                )
            if number in excluded:
                left_out += 1
            elif number in edits or found.problem is None:
                file.write(json.dumps(edits.get(number, found.raw), ensure_ascii=False, default=str) + "\n")
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


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            found.update(piece)
    return found.hexdigest()
