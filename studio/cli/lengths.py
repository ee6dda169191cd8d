"""studio lengths: how long the rows of a data set are, in a model's tokens."""

from typing import TYPE_CHECKING, Annotated

import typer

from jobs.protocol.counted import counted
from studio.cli.session import Home, Json, services

if TYPE_CHECKING:
    from jobs.data.lengths import Lengths

BAR = 40  # characters of the longest bar


def lengths(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A file, or a listed data set.")],
    model: Annotated[
        str,
        typer.Option("--tokenizer", metavar="MODEL", help="Whose tokenizer: a model, a run:ID or a folder."),
    ],
    max_length: Annotated[int, typer.Option("--max-length", min=2, help="Where rows would be cut.")] = 1024,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Look at so many rows.")] = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Show how long rows are in tokens, and which share would be cut."""
    from jobs.data.lengths import measure
    from jobs.models.tokenizers import load_tokenizer
    from jobs.specs.data import DataSpec

    with services(home) as studio:
        path, tokenizer = studio.datasets.resolve(data), studio.resolver.tokenizer(model)
    read = DataSpec(path=str(path), max_length=max_length, limit=limit)
    _tell(measure(read, load_tokenizer(tokenizer)), max_length, json)


def _tell(found: "Lengths", max_length: int, json: bool) -> None:
    from studio.cli.render import as_json

    cut, quantiles = found.over(max_length), {str(share): found.at(share) for share in (0.5, 0.9, 0.99, 1)}
    if json:
        facts = {"rows": found.rows, "tokens": found.tokens, "at": quantiles, "bars": found.bars}
        print(as_json({**facts, "max_length": max_length, "longer": cut}))
        return
    top = max(rows for _, _, rows in found.bars)
    for first, last, rows in found.bars:
        typer.echo(f"{first:>7} to {last:>6}  {rows:>8}  {'#' * round(BAR * rows / top)}")
    typer.echo(
        f"{counted(found.rows, 'row')}, {counted(found.tokens, 'token')}; half have at most {found.at(0.5)}, "
        f"90 % {found.at(0.9)}, 99 % {found.at(0.99)}, the longest {found.at(1)}."
    )
    typer.echo(f"Longer than {max_length}: {counted(cut, 'row')} ({cut / found.rows:.1%}).")
