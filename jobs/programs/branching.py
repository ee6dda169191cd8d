"""Branches: a new text that begins where another one stood, with tokens changed and others masked again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.models.checkpoint import Checkpoint
from jobs.programs.asks import Canvas
from jobs.programs.pins import Tokens, pin
from jobs.protocol import trajectory
from jobs.protocol.errors import JobError, SpecError


@dataclass(frozen=True)
class Branch:
    """Where to begin and what to change. Positions count from the start of the canvas, as in a trajectory."""

    source: Path
    """The trajectory that it branches off."""
    step: int | None = None
    """After which of its steps; -1: before the first; None: as it stands now."""
    pins: Tokens = field(default_factory=dict)
    """Position -> the token that is to stand there, given to the sampler like the prompt."""
    remask: tuple[int, ...] = ()
    """Positions to be written anew."""


def source_start(source: Path) -> dict[str, Any]:
    """The start line of a trajectory. Raises: JobError where there is none."""
    try:
        lines = trajectory.read(source) if source.is_file() else []
    except (OSError, ValueError) as error:
        raise JobError(f"{source} cannot be read as a trajectory: {error}") from None
    if not lines or lines[0].get("type") != "start":
        raise JobError(f"{source.stem} has no canvas to branch off: it has not begun, or it failed at once.")
    return lines[0]


def branch_canvas(branch: Branch, loaded: Checkpoint) -> tuple[Canvas, dict[str, Any]]:
    """The canvas to begin with, and the parent as the new trajectory's start line names it.

    Raises: JobError, SpecError.
    """
    start = source_start(branch.source)
    # 1. The canvas as it stood.
    lines = trajectory.read(branch.source)
    last = max((line["step"] for line in lines if line["type"] == "step"), default=-1)
    step = last if branch.step is None else branch.step
    if not -1 <= step <= last:
        raise SpecError(
            f"{branch.source.stem} has no step {step}: its steps go from 0 to {last}; -1 is before the first."
        )
    ids = trajectory.canvas_after(lines, step)
    _same_model(start, ids, loaded)
    # 2. The edits.
    for position in branch.remask:
        if not 0 <= position < len(ids):
            raise SpecError(f"Position {position} is not on the canvas: they go from 0 to {len(ids) - 1}.")
        ids[position] = loaded.config.mask_token_id
    pinned = pin(ids, branch.pins, loaded)
    if both := sorted(pinned & set(branch.remask)):
        raise SpecError(f"Position {both[0]} is both pinned and masked again; choose one.")
    if start.get("pictures"):
        image = loaded.model.config.image_token_id
        if ids.count(image) != start["ids"].count(image):
            raise SpecError("A picture's place cannot be masked or written on, nor another one be made.")
    if loaded.config.mask_token_id not in ids:
        raise SpecError("Nothing is left to be written: take an earlier step, or mask positions again.")
    # 3. Who it comes from.
    prompt_length, completes = start["prompt_length"], _completes(start)
    parent = {
        "request": start["request"],
        "step": step,
        "pins": {str(position): ids[position] for position in sorted(pinned)},
        "remask": sorted(set(branch.remask)),
    }
    at_least = max([start.get("at_least", 0), *(place + 1 for place in pinned)])
    pictures = tuple(Path(file) for file in start.get("pictures", ()))
    return Canvas(ids, prompt_length, completes, at_least, pictures), parent


def _completes(start: Mapping[str, Any]) -> bool:
    """Whether the text is what comes after the prompt; trajectories of version 0.1.0 do not say it."""
    after = start["ids"][start["prompt_length"] :]
    return start.get("completes", all(token == start["mask_id"] for token in after))


def _same_model(start: Mapping[str, Any], ids: list[int], loaded: Checkpoint) -> None:
    rows = loaded.model.get_input_embeddings().weight.shape[0]
    if start["mask_id"] != loaded.config.mask_token_id or max(ids) >= rows:
        raise SpecError(f"{start['request']} was written by a model with other tokens; choose that model.")
