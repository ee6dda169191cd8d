"""Watching from the terminal: a job to its end, a log as it grows, a trajectory as it is written."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from jobs.protocol.errors import JobError
from jobs.protocol.states import TERMINAL, State
from studio.cli.render import duration, safe

if TYPE_CHECKING:
    from backend.services.jobs import JobService, JobView
    from backend.studio import Studio

POLL_SECONDS = 0.3
QUIET_SECONDS = 15.0  # between two lines of progress where nobody watches a terminal


def progress_line(job: "JobView") -> str:
    """Where a job is, in one line."""
    parts = [job.phase or job.state]
    if job.total:
        parts.append(f"{job.step} of {job.total}")
    parts += [f"{name} {value:.4g}" for name, value in job.metrics.items() if name in ("loss", "eval_loss")]
    if job.seconds_left:
        parts.append(f"{duration(job.seconds_left)} left")
    return safe("  ".join(parts))


def watch(jobs: "JobService", job_id: str, live: bool) -> "JobView":
    """Show a job until it has ended: a moving line on a terminal, a line now and then elsewhere (stderr)."""
    from rich.console import Console

    console = Console(stderr=True)
    if not live or not console.is_terminal:
        return _watch_quietly(jobs, job_id)
    with console.status(job_id) as status:
        while (job := jobs.get(job_id)).state not in TERMINAL:
            status.update(f"[bold]{job_id}[/bold] {_escaped(progress_line(job))}")
            time.sleep(POLL_SECONDS)
    return job


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _watch_quietly(jobs: "JobService", job_id: str) -> "JobView":
    shown, moment = "", 0.0
    while (job := jobs.get(job_id)).state not in TERMINAL:
        key = f"{job.state} {job.phase}"
        if key != shown or time.monotonic() - moment > QUIET_SECONDS:
            typer.echo(f"{job_id}: {progress_line(job)}", err=True)
            shown, moment = key, time.monotonic()
        time.sleep(POLL_SECONDS)
    return job


def wait_for(jobs: "JobService", job_id: str, live: bool = True) -> "JobView":
    """Watch a job to its end and say how it ended; leaves it running on Ctrl-C.

    Exits with 1 unless it succeeded, with 130 on Ctrl-C.
    """
    try:
        job = watch(jobs, job_id, live)
    except KeyboardInterrupt:
        typer.echo(f"\n{left_behind(jobs.get(job_id))}", err=True)
        raise typer.Exit(130) from None
    if job.state == State.SUCCEEDED:
        took = duration((job.ended_at or 0) - (job.started_at or 0))
        typer.echo(f"{job_id} succeeded in {took}. Its folder: {job.folder}", err=True)
        return job
    for told in (f"{job_id} {job.state}. {job.reason or ''}", job.remedy, f"Its log: studio logs {job_id}"):
        if told:
            typer.echo(f"studio: {safe(told)}", err=True)
    raise typer.Exit(1)


def left_behind(job: "JobView") -> str:
    """What becomes of a job when the command that waited for it leaves."""
    if job.state == State.QUEUED:
        return f"{job.id} stays queued. Wait for it again: studio resume {job.id} --wait."
    return f"{job.id} goes on without you. See it: studio logs -f {job.id}. End it: studio stop {job.id}."


def not_scheduled(studio: "Studio", job_id: str) -> str:
    """Who will start a job that nobody waits for."""
    if studio.scheduler_holder() is not None:
        return f"It starts as soon as there is room. Follow it: studio logs -f {job_id}"
    return f"It is queued; nothing runs to start it. Try studio launch, or studio resume {job_id} --wait"


def trajectory(path: Path, alive: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    """The lines of a trajectory file as they are written, up to its end line.

    `alive` says whether somebody is still writing. Raises: JobError if nobody is and the end is missing.
    """
    rest, offset, checked = b"", 0, time.monotonic()
    while True:
        chunk = b""
        if path.exists():
            with open(path, "rb") as file:
                file.seek(offset)
                chunk = file.read()
        offset += len(chunk)
        *whole, rest = (rest + chunk).split(b"\n")
        for line in map(json.loads, whole):
            yield line
            if line["type"] == "end":
                return
        if not chunk:
            if time.monotonic() - checked > 1.0:
                if not alive():
                    raise JobError("The process that held the model has ended before the text was finished.")
                checked = time.monotonic()
            time.sleep(0.02)
