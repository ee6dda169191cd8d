"""What sample and chat share: a model server while it is needed, sampler settings, one text on the screen;
and how positions are written on a command line."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from jobs.protocol.errors import ModelError, SpecError
from jobs.specs.samplers import DEFAULT
from jobs.specs.samplers.presets import carried
from studio.cli.canvas import Canvas, draw
from studio.cli.follow import trajectory
from studio.cli.render import safe

if TYPE_CHECKING:
    from rich.console import Console

    from backend.services.sampling import Handle
    from backend.studio import Studio

LEAVE_SECONDS = 20.0  # how long a model server may take to stop when we started it


def sampler_settings(preset: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any] | None:
    """The model's preset with some values changed; None, the preset as it is, without changes.

    Another sampler takes only the length from it.
    """
    if not changes:
        return None
    return {**carried(str(changes.get("name", preset.get("name", DEFAULT))), preset), **changes}


@contextmanager
def model_server(studio: "Studio", keep: bool) -> Iterator[None]:
    """Stop the model server afterwards if it was not there before, unless it is to be kept."""
    before = {job.id for job in _servers(studio)}
    try:
        yield
    finally:
        for job in _servers(studio):
            if not keep and job.id not in before:
                studio.jobs.stop(job.id)
                studio.jobs.wait(job.id, LEAVE_SECONDS)


def _servers(studio: "Studio") -> list[Any]:
    return [job for job in studio.jobs.list(kinds=["serve"]) if job.active]


def watch(studio: "Studio", console: "Console", handle: "Handle", answer_only: bool = False) -> Canvas:
    """One text that was asked for, to its last token, shown while it is written.

    Ctrl-C cancels it and leaves. Raises: ModelError with the server's own sentence.
    """
    from rich.console import Console

    status = Console(stderr=True).status(safe(handle.phase))

    def alive() -> bool:
        if phase := studio.sampling.phase(handle.request):
            status.update(phase)
        return studio.jobs.get(handle.job_id).active

    try:
        lines = trajectory(Path(handle.path), alive)
        with status:
            first = next(lines)
        canvas = draw(itertools.chain([first], lines), console, answer_only)
    except KeyboardInterrupt:
        studio.sampling.cancel(handle.request)
        typer.echo("Cancelled.", err=True)
        raise typer.Exit(130) from None
    if canvas.reason == "error":
        raise ModelError(canvas.error or "The model server could not write the text.")
    return canvas


def placed(items: list[str] | None, option: str) -> dict[int, str]:
    """`5:upon`, several with commas or several times, as position -> text. Raises: SpecError."""
    found: dict[int, str] = {}
    for item in items or []:
        for one in item.split(", "):
            position, colon, text = one.partition(":")
            if not colon or not text or not position.strip().isdecimal():
                raise SpecError(f"{option} takes a position and a text, as in 5:upon; not {one!r}.")
            if int(position) in found:
                raise SpecError(f"{option} names position {int(position)} twice.")
            found[int(position)] = text
    return found


def positions(items: list[str] | None) -> list[int]:
    """`3`, `3-9` and lists of such with commas, as positions. Raises: SpecError."""
    found: set[int] = set()
    for one in (part.strip() for item in items or [] for part in item.split(",")):
        first, dash, last = one.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise SpecError(f"--remask takes positions, as in 3 or 3-9; not {one!r}.")
        found |= set(range(int(first), int(last or first) + 1))
    return sorted(found)
