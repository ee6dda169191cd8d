"""studio run: a spec file, or a recipe, becomes a job, or the jobs of a pipeline or a sweep."""

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    """Submit a job, a pipeline or a sweep. With --wait no server is needed: the command starts it itself.

    The job outlives the command: Ctrl-C leaves it running.
    """
    from jobs.specs.groups import is_group
    from jobs.specs.load import parse_spec
    from jobs.specs.probe import probe_of
    from studio.cli.follow import not_scheduled, wait_for

    with services(home, schedule=(wait or probe) and not estimate) as studio:
        data = read_data(studio, spec, set_ or [])
        if is_group(data):
            _run_group(studio, data, spec, wait, estimate, probe)
            return
        parsed = parse_spec(data, where=spec)
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


def _run_group(
    studio: "Studio", data: dict[str, Any], where: str, wait: bool, estimate: bool, probe: bool
) -> None:
    """Raises: SpecError for a probe, which is of one training."""
    from jobs.protocol.errors import SpecError
    from jobs.specs.groups import parse_group
    from studio.cli.groups import estimate_group, run_group

    if probe:
        raise SpecError(f"--probe measures one training; this is a {data['kind']}. Probe one of its jobs.")
    parsed = parse_group(data, where)
    if estimate:
        estimate_group(studio, parsed)
    else:
        run_group(studio, parsed, wait)


def read_spec(studio: "Studio", spec: str, changes: list[str]) -> "JobSpec":
    """The job in a file, or of a recipe where there is no such file. Raises: SpecError."""
    from jobs.specs.load import parse_spec

    return parse_spec(read_data(studio, spec, changes), where=spec)


def read_data(studio: "Studio", spec: str, changes: list[str]) -> dict[str, Any]:
    """The same as it is written, with the changes of --set. Raises: SpecError."""
    from jobs.specs.load import apply_override, read_yaml

    path = Path(spec).expanduser()
    is_file = path.exists() or path.suffix in (".yaml", ".yml")
    data = read_yaml(path) if is_file else copy.deepcopy(studio.training.recipe(spec).spec)
    for item in changes:
        apply_override(data, item)
    return data
