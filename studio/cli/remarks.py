"""studio tag, note: what a person has to say about a run."""

from typing import Annotated

import typer

from studio.cli.session import Home, JobId, services


def tag(
    id: JobId,
    tags: Annotated[
        list[str] | None, typer.Argument(metavar="TAG...", help="Tags to put on; none: only list them.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", "-r", metavar="TAG", help="Take it off. May be repeated.")
    ] = None,
    home: Home = None,
) -> None:
    """Put tags on a run or take them off. `studio clean` leaves runs with the tag keep alone."""
    with services(home) as studio:
        if tags or remove:
            studio.remarks.tag(id, add=tags or (), remove=remove or ())
        found = studio.jobs.get(id).tags
    typer.echo(" ".join(found) if found else f"{id} has no tags.")


def note(
    id: JobId,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help='The new note; "" takes it away; none: show it.')
    ] = None,
    home: Home = None,
) -> None:
    """Write a note on a run, in place of the one that it has, or show that."""
    from studio.cli.render import safe

    with services(home) as studio:
        if text is not None:
            studio.remarks.write_note(id, text)
        found = studio.jobs.get(id).note
    typer.echo(safe(found) if found else f"{id} has no note.")
