"""studio prepare and studio convert-data: data made ready ahead of time, and from one form into another."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.protocol.counted import counted
from studio.cli.session import Home, services

if TYPE_CHECKING:
    from backend.studio import Studio

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
    data: Annotated[
        str,
        typer.Argument(
            metavar="SPEC|DATA",
            help="A train spec (.yaml, or a recipe), whose data and tokenizer are taken; or data, as in "
            "convert-data, with --tokenizer.",
        ),
    ],
    tokenizer: Annotated[
        str | None,
        typer.Option("--tokenizer", help="The model that will be trained, or a tokenizer's folder."),
    ] = None,
    max_length: Annotated[
        int | None,
        typer.Option(
            "--max-length", min=2, help="Longest sequence in tokens; without it the spec's, or 256."
        ),
    ] = None,
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
    from jobs.protocol.folder import read_json
    from jobs.specs.job import PrepareSpec
    from jobs.specs.load import apply_override
    from studio.cli.follow import wait_for

    with services(home, schedule=True) as studio:
        if tokenizer is None:
            found, tokenizer = _of_training(studio, data)
        else:
            found = data_spec(data, [])
        for setting in [*(set_ or []), *([f"max_length={max_length}"] if max_length else [])]:
            apply_override(found, setting)
        spec = PrepareSpec.parse({"name": name, "data": found, "tokenizer": tokenizer, "workers": workers})
        job = wait_for(studio.jobs, studio.jobs.submit(spec).id)
        result = read_json(studio.jobs.folder(job.id).result_json)
    if isinstance(result, dict) and "sequences" in result:
        typer.echo(_told(result), err=True)
    typer.echo(f"run:{job.id}")
    typer.echo(f"Train on it with --set 'data={{path: run:{job.id}}}'.", err=True)


def _of_training(studio: "Studio", name: str) -> tuple[dict, str]:
    """(data, tokenizer) of a train spec. Raises: SpecError where it is none."""
    from jobs.protocol.errors import SpecError
    from jobs.specs.job import TrainSpec
    from studio.cli.run import read_spec

    if not name.endswith((".yaml", ".yml")) and name not in {r.name for r in studio.training.recipes()}:
        raise SpecError(f"{name} is no train spec; to prepare data, say for which model: --tokenizer MODEL.")
    spec = read_spec(studio, name, [])
    if not isinstance(spec, TrainSpec):
        raise SpecError(f"{name} is a {spec.kind} job; data is prepared for a training, or give --tokenizer.")
    tokenizer = spec.model.path if spec.model.new is None else spec.model.new.tokenizer
    return spec.data.model_dump(mode="json"), str(tokenizer)


def _told(result: dict) -> str:
    bad = sum(result["bad_rows"].values())
    left_out = f"; {counted(bad, 'bad row')} left out" if bad else ""
    return (
        f"{counted(result['rows'], 'row')} to train on, {counted(result['tokens'], 'token')}, "
        f"{counted(result['sequences'], 'sequence')}; {counted(result['validation'], 'sequence')} held out"
        f"{left_out}."
    )


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
    typer.echo(f"{output}: {counted(done.rows, 'row')} written as {form}.")
    for what, rows in sorted(done.lost.items()):
        typer.echo(f"Lost in {counted(rows, 'row')}: {what}.")
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
