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
    estimate: Annotated[
        bool,
        typer.Option("--estimate", help="Start nothing: say how much memory and time a training will take."),
    ] = False,
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Train three steps, save nothing, and tell memory and time from them."),
    ] = False,
    home: Home = None,
) -> None:
    """Submit a job. With --wait no server is needed: the command starts the job itself.

    The job outlives the command: Ctrl-C leaves it running.
    """
    from jobs.specs.probe import probe_of
    from studio.cli.follow import not_scheduled, wait_for

    with services(home, schedule=(wait or probe) and not estimate) as studio:
        parsed = read_spec(studio, spec, set_ or [])
        if estimate:
            _tell_estimate(studio, parsed)
            return
        wait, parsed = wait or probe, probe_of(parsed) if probe else parsed
        for note in studio.training.preview(parsed).notes:
            typer.echo(note, err=True)
        job = studio.jobs.submit(parsed)
        typer.echo(job.id)
        if wait:
            _tell_probe(studio, job.id) if probe else wait_for(studio.jobs, job.id)
        else:
            typer.echo(not_scheduled(studio, job.id), err=True)


def _tell_estimate(studio: "Studio", spec: "JobSpec") -> None:
    """Raises: ResourceError where the spec cannot fit, SpecError where nothing can be said."""
    from jobs.protocol.errors import ResourceError, SpecError

    preview = studio.training.preview(spec)
    if preview.need is None:
        raise SpecError(preview.problem or "There is no estimate: the sizes of the model are not known.")
    for label, figure in preview.need.lines:
        typer.echo(f"{label}: {figure}")
    if preview.problem:
        raise ResourceError(preview.problem)


def _tell_probe(studio: "Studio", job_id: str) -> None:
    """Wait for a probe and say what it measured; only its figures stay."""
    from jobs.protocol.folder import read_json
    from studio.cli.follow import wait_for

    wait_for(studio.jobs, job_id)
    result = read_json(studio.jobs.folder(job_id).result_json)
    typer.echo(result["probe"] if result else "The probe was stopped.")


def read_spec(studio: "Studio", spec: str, changes: list[str]) -> "JobSpec":
    """The spec in a file, or of a recipe where there is no such file. Raises: SpecError."""
    from jobs.specs.load import apply_override, load_spec, parse_spec

    path = Path(spec).expanduser()
    if path.exists() or path.suffix in (".yaml", ".yml"):
        return load_spec(path, changes)
    data = copy.deepcopy(studio.training.recipe(spec).spec)
    for item in changes:
        apply_override(data, item)
    return parse_spec(data, where=spec)
