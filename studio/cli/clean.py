"""studio clean: old runs, checkpoints and leftovers away."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studio.cli.session import Home, Json, services

if TYPE_CHECKING:
    from backend.services.cleanup import Plan

SECONDS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}
BYTES = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def clean(
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="AGE", help="Runs that ended so long ago: 12h, 30d, 8w."),
    ] = None,
    keep_size: Annotated[
        str | None,
        typer.Option(
            "--keep-size", metavar="SIZE", help="The oldest runs, until the rest is this: 500M, 50G."
        ),
    ] = None,
    keep_prepared: Annotated[
        str | None,
        typer.Option(
            "--keep-prepared",
            metavar="SIZE",
            help="The longest unused prepared data, until the rest is this.",
        ),
    ] = None,
    checkpoints_only: Annotated[
        bool,
        typer.Option(
            "--checkpoints-only", help="Only checkpoints of runs that succeeded; their models stay."
        ),
    ] = False,
    sources: Annotated[
        bool, typer.Option("--sources", help="Also runs that other runs were made from.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
    home: Home = None,
) -> None:
    """Delete ended runs by age or size, with prepared data that no run reads, and what deletions left over.

    Jobs that run or wait stay, and so do runs with the tag keep (`studio tag ID keep`) and every folder that
    the studio did not make.
    """
    from backend.services.cleanup import Wish
    from studio.cli.render import as_json, size

    sizes = {
        "keep_bytes": _bytes(keep_size, "--keep-size"),
        "prepared_bytes": _bytes(keep_prepared, "--keep-prepared"),
    }
    age = None if older_than is None else _amount(older_than, SECONDS, "--older-than")
    wish = Wish(older_than=age, **sizes, checkpoints_only=checkpoints_only, sources=sources)
    with services(home) as studio:
        plan = studio.cleanup.plan(wish)
        if not json:
            _show(plan)
        if not dry_run and plan.items:
            if not yes:
                typer.confirm("Delete these for good?", abort=True, err=json)
            told = [item.name for item in plan.items]
            plan = studio.cleanup.carry_out(wish, only=told)
            if not json:
                typer.echo(f"{size(plan.size_bytes)} are free again.")
    if json:
        print(as_json(plan))


def _show(plan: "Plan") -> None:
    from rich.console import Console

    from studio.cli.render import ago, size, table

    rows: list[list[Any]] = [
        [item.name, item.what, size(item.size_bytes), ago(item.ended_at), item.note] for item in plan.items
    ]
    if rows:
        Console().print(table(["name", "what", "size", "ended", ""], rows))
    for kept in plan.kept:
        typer.echo(f"{kept.name} stays. {kept.why}", err=True)
    typer.echo(f"{len(rows)} to delete, {size(plan.size_bytes)}." if rows else "There is nothing to delete.")


def _bytes(text: str | None, option: str) -> int | None:
    return None if text is None else int(_amount(text.upper(), BYTES, option))


def _amount(text: str, units: dict[str, int], option: str) -> float:
    """A number with its unit. Raises: BadParameter."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z])", text)
    if match is None or match[2] not in units:
        example = ", ".join(f"3{unit}" for unit in units)
        raise typer.BadParameter(
            f"{text!r}: write a number and a unit, such as {example}.", param_hint=option
        )
    return float(match[1]) * units[match[2]]
