"""studio groups, rerun: pipelines and sweeps, and running again what failed in them."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.protocol.counted import counted
from studio.cli.session import Home, Json, services

if TYPE_CHECKING:
    from backend.services.comparison import Comparison
    from backend.services.groups import GroupDetail
    from backend.studio import Studio
    from jobs.specs.groups import GroupSpec

GroupId = Annotated[str, typer.Argument(metavar="GROUP", help="The pipeline or sweep, such as sweep-0001.")]
SHOWN_METRICS = 4  # columns of figures that fit a terminal; --json has all


def groups(
    id: Annotated[str | None, typer.Argument(metavar="GROUP", help="One of them, with its jobs.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, newest first.")] = 50,
    json: Json = False,
    home: Home = None,
) -> None:
    """List pipelines and sweeps, or show one: its jobs, in what they differ, and what came of each."""
    from rich.console import Console
    from rich.text import Text

    from studio.cli.render import STATE_STYLES, ago, as_json, table

    with services(home) as studio:
        found: Any = studio.groups.get(id) if id else studio.groups.list(limit)
    if json:
        print(as_json(found))
    elif id:
        show_group(found)
    elif not found:
        typer.echo("No pipelines or sweeps yet. `studio run` starts one from its YAML file.", err=True)
    else:
        rows = [
            [g.id, Text(g.state, STATE_STYLES[g.state]), g.name, _counted(g.counts), ago(g.created_at)]
            for g in found
        ]
        Console().print(table(["group", "state", "name", "jobs", "submitted"], rows))


def rerun(
    id: GroupId,
    wait: Annotated[bool, typer.Option("--wait", help="Show its progress and end with it.")] = False,
    home: Home = None,
) -> None:
    """Queue again what failed, was stopped or lost in a pipeline or sweep, and what was ended because of it.

    What succeeded is not repeated; a training goes on from its last checkpoint.
    """
    with services(home, schedule=wait) as studio:
        again = studio.groups.rerun(id)
        typer.echo(f"Queued again: {', '.join(job.id for job in again)}.", err=True)
        _after_queueing(studio, id, wait)


def run_group(studio: "Studio", spec: "GroupSpec", wait: bool) -> None:
    """Submit a pipeline or a sweep, and with `wait` end with it."""
    made = studio.groups.submit(spec)
    typer.echo(made.id)
    typer.echo(f"{counted(len(made.jobs), 'job')}: {', '.join(job.id for job in made.jobs)}", err=True)
    _after_queueing(studio, made.id, wait)


def estimate_group(studio: "Studio", spec: "GroupSpec") -> None:
    """Say what each job will take, and start nothing. Raises: SpecError for the first that is wrong."""
    from jobs.protocol.errors import SpecError

    for job in studio.groups.specs(spec):
        preview = studio.training.preview(job)
        if preview.problem:
            raise SpecError(f"{job.queue.place}: {preview.problem}")
        told = (
            [f"{label.lower()} {figure}" for label, figure in preview.need.lines[1:]] if preview.need else []
        )
        typer.echo(f"{job.queue.place}: {'; '.join(told) or 'no estimate'}")


def show_group(group: "GroupDetail") -> None:
    """A group as a table: a job a line."""
    from rich.console import Console

    from studio.cli.render import safe

    console = Console(highlight=False)
    console.print(safe(f"{group.id} {group.name}: {group.state}, {_counted(group.counts)}"), markup=False)
    console.print(_compared(group.comparison))
    for job in group.jobs:
        told = job.reason if not job.active else job.waiting
        if told and job.state != "succeeded":
            console.print(safe(f"{job.id}: {told}"), markup=False)


def _compared(found: "Comparison") -> Any:
    from rich.text import Text

    from studio.cli.render import STATE_STYLES, table

    metrics = found.metrics[:SHOWN_METRICS]
    rows = [
        [row.job, row.place, Text(row.state, STATE_STYLES[row.state])]
        + [f"{row.results[name]:.4g}" if name in row.results else "" for name in metrics]
        for row in found.rows
    ]
    return table(["job", "place", "state", *metrics], rows)


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {state}" for state, number in counts.items())


def _after_queueing(studio: "Studio", group: str, wait: bool) -> None:
    """Wait for the end of all jobs, or say who will start them. Exits with 1 unless all succeeded."""
    from studio.cli.follow import not_scheduled, watch

    members = studio.groups.get(group).jobs
    if not wait:
        typer.echo(not_scheduled(studio, members[0].id), err=True)
        return
    try:
        for job in members:
            end = watch(studio.jobs, job.id, live=True)
            typer.echo(f"{end.id} {end.state}. {end.reason or ''}".rstrip(), err=True)
    except KeyboardInterrupt:
        typer.echo(f"\n{group} goes on without you. See it: studio groups {group}", err=True)
        raise typer.Exit(130) from None
    found = studio.groups.get(group)
    show_group(found)
    if found.state != "succeeded":
        typer.echo(f"studio: {group} {found.state}. Mend it, then: studio rerun {group} --wait", err=True)
        raise typer.Exit(1)
