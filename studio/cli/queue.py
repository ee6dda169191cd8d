"""studio hold, release, move: whose turn it is in the queue."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from studio.cli.session import Home, JobId, services

if TYPE_CHECKING:
    from backend.services.job_view import JobView
    from backend.studio import Studio

Waiting = Annotated[list[str], typer.Argument(metavar="ID...", help="Jobs that wait, pipelines or sweeps.")]


def hold(ids: Waiting, home: Home = None) -> None:
    """Keep queued jobs from starting until they are released."""
    with services(home) as studio:
        _each(studio, ids, studio.queue.hold, studio.groups.hold)


def release(ids: Waiting, home: Home = None) -> None:
    """Let held jobs go, and those that wait between two tries."""
    with services(home) as studio:
        _each(studio, ids, studio.queue.release, studio.groups.release)


def move(
    id: JobId,
    top: Annotated[bool, typer.Option("--top", help="Before all others.")] = False,
    bottom: Annotated[bool, typer.Option("--bottom", help="Behind all others.")] = False,
    before: Annotated[str | None, typer.Option("--before", metavar="ID", help="Before this one.")] = None,
    after: Annotated[str | None, typer.Option("--after", metavar="ID", help="Right behind this one.")] = None,
    priority: Annotated[
        int | None, typer.Option("--priority", help="A priority from -100 to 100; higher ones start first.")
    ] = None,
    home: Home = None,
) -> None:
    """Give a queued job another turn. It takes the priority of the jobs it is put between."""
    places = [top, bottom, before is not None, after is not None, priority is not None]
    if sum(places) != 1:
        raise typer.BadParameter("say one of --top, --bottom, --before, --after, --priority")
    with services(home) as studio:
        if priority is not None:
            studio.queue.set_priority(id, priority)
        else:
            to = "top" if top else "bottom" if bottom else None
            studio.queue.move(id, before=before, after=after, to=to)
        _tell(studio.jobs.get(id))


def _each(
    studio: "Studio", ids: list[str], act: Callable[[str], None], of_group: "Callable[[str], list[JobView]]"
) -> None:
    for id in ids:
        if studio.groups.exists(id):
            for job in of_group(id):
                _tell(job)
        else:
            act(id)
            _tell(studio.jobs.get(id))


def _tell(job: "JobView") -> None:
    if job.queue_position is None:  # of a group, some have begun
        typer.echo(f"{job.id} is {job.state}.")
        return
    typer.echo(f"{job.id} is number {job.queue_position} in the queue. {job.waiting or ''}".rstrip())
