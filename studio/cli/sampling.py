"""What sample and chat share: a model server while it is needed, sampler settings, one text on the screen."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from jobs.protocol.errors import ModelError
from studio.cli.canvas import Canvas, draw
from studio.cli.follow import trajectory
from studio.cli.render import safe

if TYPE_CHECKING:
    from rich.console import Console

    from backend.studio import Studio

LEAVE_SECONDS = 20.0  # how long a model server may take to stop when we started it


def sampler_settings(preset: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any] | None:
    """The model's preset with some values changed; None, the preset as it is, without changes."""
    return {**preset, **changes} if changes else None


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


def generate(
    studio: "Studio", console: "Console", request: dict[str, Any], answer_only: bool = False
) -> Canvas:
    """One text, from the request to its last token, shown while it is written.

    Ctrl-C cancels it and leaves. Raises: ModelError with the server's own sentence.
    """
    from rich.console import Console

    handle = studio.sampling.generate(**request)
    status = Console(stderr=True).status(f"loading {safe(str(request['model']))}")

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
