"""studio prepare and studio convert-data: data made ready ahead of time, and from one form into another."""

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.session import Home, services

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A file, folder or listed name, a Hub id with its commit (owner/name@commit), a builder, or a "
        "mix: a[train:1000] + 0.5 * b.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting of the data: packing=false. May be repeated."),
]


def prepare(
    data: Data,
    tokenizer: Annotated[
        str, typer.Option("--tokenizer", help="The model that will be trained, or a tokenizer's folder.")
    ],
    max_length: Annotated[int, typer.Option("--max-length", min=2, help="Longest sequence in tokens.")] = 256,
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Processes that tokenize; 0: one for each core.")
    ] = 0,
    set_: Set = None,
    name: Annotated[str, typer.Option("--name", help="A name for the job.")] = "",
    home: Home = None,
) -> None:
    """Tokenize data ahead of time; a training then reads it from files and holds none of it in memory.

    What was prepared before, with the same content, tokenizer and settings, is not made again. Ctrl-C leaves
    the job running; studio stop and studio resume interrupt it and go on. Needs no server.
    """
    from jobs.specs.job import PrepareSpec
    from studio.cli.follow import wait_for

    settings = [*(set_ or []), f"max_length={max_length}"]
    spec = PrepareSpec.parse(
        {"name": name, "data": data_spec(data, settings), "tokenizer": tokenizer, "workers": workers}
    )
    with services(home, schedule=True) as studio:
        job = wait_for(studio.jobs, studio.jobs.submit(spec).id)
    typer.echo(f"run:{job.id}")
    typer.echo("That is its name in data.path of a training.", err=True)


def convert_data(
    data: Data,
    output: Annotated[Path, typer.Argument(metavar="FILE", help="A new .jsonl, .json or .parquet file.")],
    form: Annotated[
        str, typer.Option("--to", help="messages, conversations, prompt_completion, alpaca or text.")
    ] = "messages",
    set_: Set = None,
    home: Home = None,
) -> None:
    """Write rows in another form, and list what that form has no room for."""
    from jobs.data.convert import convert
    from jobs.specs.data import DataSpec

    with services(home) as studio:
        spec = studio.resolver.data(DataSpec.parse(data_spec(data, set_ or [])))
    done = convert(spec, form, output)
    typer.echo(done.note)
    typer.echo(f"{output}: {done.rows} rows written as {form}.")
    for what, rows in sorted(done.lost.items()):
        typer.echo(f"Lost in {rows} rows: {what}.")
    if not done.lost:
        typer.echo("Nothing was lost.")


def data_spec(data: str, settings: list[str]) -> dict:
    """The data of a spec from what was typed. Raises: SpecError."""
    from jobs.specs.builders import BUILDERS
    from jobs.specs.load import apply_override

    found: dict = {"builder" if data in BUILDERS and not Path(data).exists() else "path": data}
    for setting in settings:
        apply_override(found, setting)
    return found
