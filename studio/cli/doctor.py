"""studio doctor: what is installed, what this machine can, what is wrong and how to mend it."""

import time
from pathlib import Path
from typing import Annotated

import typer

from jobs.protocol.counted import counted
from jobs.protocol.errors import JobError
from studio.cli.session import Home, Json, home_folder, services


def doctor(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make the database again from the run folders.")
    ] = False,
    json: Json = False,
    home: Home = None,
) -> None:
    """Look the installation over. Exit code 1 if something is wrong."""
    from studio.cli.checks import WRONG, examine
    from studio.cli.render import as_json

    folder = home_folder(home)
    if rebuild:
        _rebuild(folder)
        return
    findings = list(examine(folder)) if json else []
    if json:
        print(as_json([finding._asdict() for finding in findings]))
    else:
        for finding in examine(folder):
            findings.append(finding)
            _tell(*finding)
    if any(finding.state == WRONG for finding in findings):
        raise typer.Exit(1)


def _tell(subject: str, state: str, text: str, mend: str) -> None:
    from rich.console import Console
    from rich.text import Text

    from studio.cli.checks import OK, WRONG
    from studio.cli.render import safe

    style = {OK: "green", WRONG: "bold red"}.get(state, "yellow")
    line = Text(f"{state:<8}", style).append(f" {subject:<9} ", "dim").append(safe(text), "")
    if mend:
        line.append(f"\n{'':19}{safe(mend)}", "dim")
    Console(soft_wrap=True, highlight=False).print(line)


def _rebuild(home: Path) -> None:
    """The rows again from the run folders; a damaged database is put aside first."""
    from backend.server_lock import ServerLock
    from backend.store import DamagedDatabase

    if there := ServerLock.holder(home):
        raise JobError(
            f"A studio runs at {there['url']}. End it first (Ctrl-C in its terminal), then rebuild."
        )
    try:
        with services(home) as studio:
            count = len(studio.jobs.rebuild())
    except DamagedDatabase:  # and for nothing else: a full disk or a busy database is mended otherwise
        aside = _put_aside(home)
        with services(home) as studio:
            count = len(studio.jobs.rebuild())
        typer.echo(f"The damaged database is kept as {aside.name}.")
    typer.echo(f"{counted(count, 'job is', 'jobs are')} listed again.")


def _put_aside(home: Path) -> Path:
    aside = home / f"studio.db.broken-{time.strftime('%Y%m%d-%H%M%S')}"
    for suffix in ("", "-wal", "-shm"):
        part = home / f"studio.db{suffix}"
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
