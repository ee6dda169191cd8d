"""studio run: a spec file, or a recipe, becomes a job."""

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studio.cli.session import Home, services

if TYPE_CHECKING:
    from backend.studio import Studio
    from jobs.specs.job import JobSpec


def run(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="A YAML file, or the name of a recipe.")],
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change one value: optimisation.steps=200. May be repeated."
        ),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Show its progress, end with it, and exit with 0 only if it succeeded."),
    ] = False,
    home: Home = None,
) -> None:
    """Submit a job. With --wait no server is needed: the command starts the job itself.

    The job outlives the command: Ctrl-C leaves it running.
    """
    from studio.cli.follow import not_scheduled, wait_for

    with services(home, schedule=wait) as studio:
        parsed = _read(studio, spec, set_ or [])
        for note in studio.training.preview(parsed).notes:
            typer.echo(note, err=True)
        job = studio.jobs.submit(parsed)
        typer.echo(job.id)
        if wait:
            wait_for(studio.jobs, job.id)
        else:
            typer.echo(not_scheduled(studio, job.id), err=True)


def _read(studio: "Studio", spec: str, changes: list[str]) -> "JobSpec":
    """The spec in a file, or of a recipe where there is no such file. Raises: SpecError."""
    from jobs.specs.load import apply_override, load_spec, parse_spec

    path = Path(spec).expanduser()
    if path.exists() or path.suffix in (".yaml", ".yml"):
        return load_spec(path, changes)
    data = copy.deepcopy(studio.training.recipe(spec).spec)
    for item in changes:
        apply_override(data, item)
    return parse_spec(data, where=spec)
