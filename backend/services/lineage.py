"""Which runs others were made from: read from the paths and names in their specs."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jobs.protocol.folder import RUN_ID, RunFolder
from jobs.specs.references import PLACES, RUN_PREFIX


def sources(kind: str, spec: Mapping[str, Any], runs: Path) -> set[str]:
    """Ids of the runs that a job's spec names, as `run:ID` or by a path below their folders, and of those it
    comes after."""
    ids = {_run_of(text, runs) for text in _named(kind, spec)}
    return {run for run in ids if run is not None} | set(_value(spec, "queue.after") or ())


def checkpoint_sources(kind: str, spec: Mapping[str, Any], runs: Path) -> set[str]:
    """Ids of the runs of which a job's spec names a checkpoint, and not what they made in the end."""
    found = {Path(text): _run_of(text, runs) for text in _named(kind, spec)}
    return {run for path, run in found.items() if run and _is_checkpoint(path, RunFolder(runs / run))}


def paths(specs: Iterable[Mapping[str, Any]]) -> set[Path]:
    """Where the data of jobs lies, by their specs."""
    return {Path(text) for spec in specs if isinstance(text := _value(spec, "data.path"), str)}


def _named(kind: str, spec: Mapping[str, Any]) -> list[str]:
    """What stands where a spec may name a run."""
    return [text for place in PLACES.get(kind, {}) if isinstance(text := _value(spec, place), str)]


def _is_checkpoint(path: Path, run: RunFolder) -> bool:
    return path.resolve().is_relative_to(run.checkpoints)


def _run_of(text: str, runs: Path) -> str | None:
    if text.startswith(RUN_PREFIX):
        return text.removeprefix(RUN_PREFIX)
    for root in (runs, runs.resolve()):  # the folder of all runs may be a link to another disk
        if Path(text).is_relative_to(root):
            name = Path(text).relative_to(root).parts[:1]
            return name[0] if name and RUN_ID.match(name[0]) else None
    return None


def _value(spec: Any, place: str) -> Any:
    for name in place.split("."):
        spec = spec.get(name) if isinstance(spec, Mapping) else None
    return spec
