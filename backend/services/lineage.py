"""Which runs others were made from: read from the paths and names in their specs."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from backend.listed import value_at
from jobs.protocol.folder import RUN_ID, RunFolder
from jobs.specs.references import PLACES, RUN_PREFIX

AFTER, CLONE = "queue.after", "queue.clone_of"


def sources(kind: str, spec: Mapping[str, Any], runs: Path) -> set[str]:
    """Ids of the runs that a job's spec names, as `run:ID` or by a path below their folders, and of those it
    comes after."""
    found = named(kind, spec)
    ids = {run_of(text, runs) for place, text in found if place != AFTER}
    return {run for run in ids if run is not None} | {text for place, text in found if place == AFTER}


def checkpoint_sources(kind: str, spec: Mapping[str, Any], runs: Path) -> set[str]:
    """Ids of the runs of which a job's spec names a checkpoint, and not what they made in the end."""
    found = {Path(text): run_of(text, runs) for place, text in named(kind, spec) if place != AFTER}
    return {run for path, run in found.items() if run and _is_checkpoint(path, RunFolder(runs / run))}


def named_below(kind: str, spec: str, folder: Path) -> bool:
    """Whether a job's spec, as JSON, names a folder or what is in it."""
    there = folder.resolve()
    return any(
        Path(text).resolve().is_relative_to(there)
        for place, text in named(kind, json.loads(spec))
        if place != AFTER
    )


def paths(specs: Iterable[Mapping[str, Any]]) -> set[Path]:
    """Where the data of jobs lies, by their specs."""
    return {Path(text) for spec in specs if isinstance(text := value_at(spec, "data.path"), str)}


def named(kind: str, spec: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(place, text) where a spec may name a run: models and data by name or path, those before it by id."""
    found = [
        (place, text) for place in PLACES.get(kind, {}) if isinstance(text := value_at(spec, place), str)
    ]
    return found + [(AFTER, job_id) for job_id in value_at(spec, AFTER) or ()]


def related(kind: str, spec: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The same, and the run of which it is a clone: that need not be there for it."""
    origin = value_at(spec, CLONE)
    return named(kind, spec) + ([(CLONE, str(origin))] if origin else [])


def _is_checkpoint(path: Path, run: RunFolder) -> bool:
    return path.resolve().is_relative_to(run.checkpoints)


def run_of(text: str, runs: Path) -> str | None:
    """The id of the run that a name `run:ID` or a path below its folder belongs to."""
    if text.startswith(RUN_PREFIX):
        return text.removeprefix(RUN_PREFIX).partition("/")[0]
    for root in (runs, runs.resolve()):  # the folder of all runs may be a link to another disk
        if Path(text).is_relative_to(root):
            name = Path(text).relative_to(root).parts[:1]
            return name[0] if name and RUN_ID.match(name[0]) else None
    return None
