"""studio jobs, show, logs, stop, resume, delete: what runs, ran, and what becomes of it."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.protocol.states import TERMINAL, State
from studio.cli.session import Home, JobId, Json, services

POLL_SECONDS = 0.5

if TYPE_CHECKING:
    from backend.services.jobs import JobService, JobView
    from backend.studio import Studio


def list_jobs(
    state: Annotated[list[State] | None, typer.Option("--state", help="Only jobs in this state.")] = None,
    kind: Annotated[list[str] | None, typer.Option("--kind", help="Only jobs of this kind.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Only jobs with this tag.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, newest first.")] = 50,
    json: Json = False,
    home: Home = None,
) -> None:
    """List jobs, newest first."""
    from rich.console import Console
    from rich.text import Text

    from studio.cli.render import STATE_STYLES, ago, as_json, table

    with services(home) as studio:
        found = studio.jobs.list(states=state or None, kinds=kind or None, limit=limit, tags=tag or ())
    if json:
        print(as_json(found))
    elif not found:
        typer.echo("No jobs yet. `studio run SPEC.yaml --wait` starts one.", err=True)
    else:
        rows = [
            [
                job.id,
                Text(job.state, STATE_STYLES[job.state]),
                " ".join([job.name, *(f"#{tag}" for tag in job.tags)]).strip(),
                _progress(job),
                ago(job.created_at),
            ]
            for job in found
        ]
        Console().print(table(["job", "state", "name and tags", "progress", "submitted"], rows))


def _progress(job: "JobView") -> str:
    if job.state in TERMINAL and job.state != State.SUCCEEDED:
        return job.reason or ""
    if job.state == State.QUEUED:
        return job.waiting or ""
    steps = f"{job.step} of {job.total}" if job.total else ""
    return steps if job.state == State.SUCCEEDED else f"{steps} {job.phase or ''}".strip()


def show(id: JobId, json: Json = False, home: Home = None) -> None:
    """Show one job: state, reason, figures, folder and its spec."""
    from rich.console import Console
    from rich.text import Text

    from jobs.specs.load import parse_spec
    from studio.cli.render import STATE_STYLES, as_json

    with services(home) as studio:
        job = studio.jobs.get(id)
        command = studio.executor.command(parse_spec(job.spec), studio.jobs.folder(id), job.devices)
    if json:
        print(as_json(job))
        return
    console = Console(highlight=False, soft_wrap=True)
    for label, value in _facts(job, command).items():
        style = STATE_STYLES.get(value, "") if label == "state" else ""
        console.print(Text(f"{label:<10} ", "bold").append(value, style))
    console.print(Text("\nspec", "bold"))
    console.print(Text(_spec_yaml(job.spec)))


def _facts(job: "JobView", command: list[str]) -> dict[str, str]:
    """What to say about a job, in order, without what there is nothing to say about."""
    import shlex

    from studio.cli.render import ago, duration, safe

    took = duration((job.ended_at or time.time()) - job.started_at) if job.started_at else ""
    facts = {
        "job": job.id,
        "name": job.name,
        "tags": " ".join(job.tags),
        "note": job.note,
        "state": job.state,
        "reason": job.reason or job.waiting or "",
        "remedy": job.remedy or "",
        "attempt": str(job.attempt) if job.attempt else "",
        "tries": f"{job.retried + 1} of {job.retries + 1}" if job.retries else "",
        "after": ", ".join(job.after),
        "priority": str(job.priority) if job.priority else "",
        "progress": f"{job.step} of {job.total}" if job.total else "",
        "metrics": "  ".join(f"{name} {value:.5g}" for name, value in job.metrics.items()),
        "devices": ", ".join(job.devices or job.ran_on),
        "submitted": ago(job.created_at),
        "took": took,
        "folder": str(job.folder),
        "command": shlex.join(command),
        "next": f"studio resume {job.id} --wait" if job.resumable else "",
    }
    return {label: safe(value) for label, value in facts.items() if value}


def _spec_yaml(spec: Any) -> str:
    from jobs.specs.load import parse_spec, to_yaml
    from studio.cli.render import safe

    return safe(to_yaml(parse_spec(spec) if isinstance(spec, dict) else spec)).rstrip()


def logs(
    id: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    attempt: Annotated[int | None, typer.Option("--attempt", min=1, help="An earlier try.")] = None,
    home: Home = None,
) -> None:
    """Print a job's log."""
    with services(home) as studio:
        offset = 0
        while True:
            active = studio.jobs.get(id).active  # asked before reading: nothing comes after the end
            offset = _print_log(studio.jobs, id, attempt, offset)
            if not (active and follow):
                return
            time.sleep(POLL_SECONDS)
            studio.refresh()  # where no server does


def _print_log(jobs: "JobService", id: str, attempt: int | None, offset: int) -> int:
    """Print what there is from `offset` on; returns where it ends."""
    from studio.cli.render import safe
    from studio.cli.session import on_terminal

    while True:
        text, end = jobs.log(id, attempt=attempt, offset=offset)
        print(safe(text) if on_terminal() else text, end="", flush=True)
        if end == offset:
            return end
        offset = end


def stop(
    id: Annotated[str, typer.Argument(metavar="ID", help="The job, or the pipeline or sweep.")],
    grace: Annotated[
        int, typer.Option("--grace", min=0, help="Seconds it may take to save before it is killed.")
    ] = 30,
    home: Home = None,
) -> None:
    """Ask a job to save and leave, or all jobs of a pipeline or sweep."""
    with services(home) as studio:
        is_group = studio.groups.exists(id)
        found = studio.groups.stop(id, grace) if is_group else [studio.jobs.stop(id, grace=grace)]
    for job in found:
        typer.echo(f"{job.id} is {job.state}.")


def resume(
    id: JobId,
    wait: Annotated[bool, typer.Option("--wait", help="Show its progress and end with it.")] = False,
    home: Home = None,
) -> None:
    """Start a stopped, failed or lost job again from its last checkpoint; with --wait a queued one too."""
    from studio.cli.follow import not_scheduled, wait_for

    with services(home, schedule=wait) as studio:
        job = studio.jobs.get(id)
        if not (wait and job.active):
            job = studio.jobs.resume(id)
        typer.echo(f"{job.id} is {job.state}.", err=True)
        if wait:
            wait_for(studio.jobs, job.id)
        else:
            typer.echo(not_scheduled(studio, job.id), err=True)


def _named(studio: "Studio", id: str) -> "list[JobView]":
    """The job of this id, or the jobs of a pipeline or sweep."""
    return studio.groups.get(id).jobs if studio.groups.exists(id) else [studio.jobs.get(id)]


def _delete_checkpoints(studio: "Studio", ids: list[str], step: int, yes: bool) -> None:
    for id in ids:
        merits = studio.checkpoint_removal.merits(id, step)
        if not yes:
            about = f", {' and '.join(merits)} that there is" if merits else ""
            typer.confirm(f"Delete the checkpoint of step {step} of {id}{about}, for good?", abort=True)
        studio.checkpoint_removal.remove(id, step, sure=True)
        typer.echo(f"The checkpoint of step {step} of {id} is deleted.")


def delete(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Finished jobs, pipelines or sweeps.")],
    checkpoint: Annotated[
        int | None,
        typer.Option(metavar="STEP", help="Only the checkpoint of this step; the run may be under way."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    home: Home = None,
) -> None:
    """Delete finished jobs with their folders: checkpoints, models and samples too."""
    with services(home) as studio:
        if checkpoint is not None:
            return _delete_checkpoints(studio, ids, checkpoint, yes)
        found = [job for id in ids for job in _named(studio, id)]
        if not yes:
            for job in found:
                typer.echo(f"{job.id} {job.name} ({job.state}) in {job.folder}")
            typer.confirm("Delete these for good?", abort=True)
        for job in found:
            studio.jobs.delete(job.id)
            typer.echo(f"{job.id} is deleted.")
