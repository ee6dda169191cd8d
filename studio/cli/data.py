"""studio check-data and studio preview: look at data before it is trained on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.protocol.counted import counted
from jobs.protocol.errors import DataError
from studio.cli.session import Home, Json, services

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from jobs.specs.job import TrainSpec

MASK, MASKED_END = "░", "▒"  # an end-of-text token that is masked is told apart without colour too
SHADES = " ░▒▓█"
STYLES = {  # told by more than colour: every kind has a mark of its own in the legend
    "prompt": "cyan",
    "answer": "default",
    "text": "default",
    "end": "magenta",
    "image": "yellow",
    "given": "dim",
    "padding": "dim",
}
MARKS = {"prompt": "‹›", "end": "¶", "padding": "·"}
MOST = 9  # of a cell of the attention: all of its pairs see each other
BAR = 30  # characters of a whole bar
BAD = 1  # exit code of a check that found bad rows


def check_data(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A file, a folder, a listed name, or a mix of them.")
    ],
    quarantine: Annotated[
        Path | None,
        typer.Option("--quarantine", help="Write the bad rows into this file, with what is wrong."),
    ] = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Read every row and say what is wrong: file, line and field. Ends with 1 where rows are bad."""
    from jobs.data.checks.decide import BadRows
    from jobs.data.checks.report import check_source
    from jobs.data.load import look
    from jobs.specs.data import DataSpec
    from studio.cli.render import as_json

    with services(home) as studio:
        spec = studio.resolver.data(DataSpec(path=data))
    report = check_source(spec)
    if quarantine is not None:
        with BadRows("quarantine", quarantine) as aside:
            for _ in aside.good(look(spec)):
                pass
    if json:
        print(as_json(report.data()))
    else:
        _tell(report, quarantine)
    if report.bad_rows:
        raise typer.Exit(BAD)


def _tell(report: Any, quarantine: Path | None) -> None:
    from jobs.data.formats import FORMATS
    from studio.cli.render import safe

    print(report.sentence())
    if report.form:
        print(f"Read as {report.form}: {FORMATS[report.form].NOTE}.")
    for remark in report.remarks:
        print(remark)
    for example in report.examples:
        print(f"  {safe(example['problem'])}")
    hidden = report.bad_rows - len(report.examples)
    if hidden > 0:
        print(f"  and {hidden} more.")
    if quarantine is not None and report.bad_rows:
        print(f"The bad rows are in {quarantine}.")


def preview(
    data: Annotated[
        str, typer.Argument(metavar="SPEC|DATA", help="A train spec (.yaml, or a recipe), or data.")
    ],
    objective: Annotated[
        str | None, typer.Option("--objective", help="Instead of the spec's or the model's own.")
    ] = None,
    level: Annotated[float, typer.Option("--level", min=0, max=1, help="Share of tokens to mask.")] = 0.5,
    rows: Annotated[int, typer.Option("--rows", min=1, max=32, help="Rows to show.")] = 3,
    first: Annotated[int, typer.Option("--first", min=0, help="Rows to pass over.")] = 0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same masks.")] = 0,
    model: Annotated[
        str, typer.Option("--model", help="Whose tokenizer and mask token, where DATA is no spec.")
    ] = "stories",
    max_length: Annotated[
        int | None, typer.Option("--max-length", min=2, help="Longest sequence in tokens.")
    ] = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Show rows as the model will see them: prompt, answer, masks, padding, blocks, shares of the loss."""
    from rich.console import Console

    from jobs.programs.inspecting.looks import preview as look
    from jobs.specs.inspect import PreviewAsk
    from jobs.specs.job import TrainSpec
    from jobs.specs.objective import OBJECTIVES
    from studio.cli.render import as_json

    with services(home) as studio:
        spec = studio.resolver(_spec(studio, data, model))
    assert isinstance(spec, TrainSpec), "_spec makes no other"
    chosen: Any = spec.objective
    if objective is not None:
        if objective not in OBJECTIVES:
            raise DataError(f"there is no objective {objective!r}; known: {', '.join(OBJECTIVES)}.")
        chosen = OBJECTIVES[objective]()
    read = spec.data if max_length is None else spec.data.model_copy(update={"max_length": max_length})
    ask = PreviewAsk(
        data=read, model=spec.model, objective=chosen, level=level, rows=rows, first=first, seed=seed
    )
    told = look(ask)
    if json:
        print(as_json(told))
    else:
        draw(told, Console())


def _spec(studio: Any, name: str, model: str) -> "TrainSpec":
    """A train spec: the file or recipe of that name, else one of the data with the model."""
    from jobs.specs.job import TrainSpec
    from jobs.specs.load import parse_spec, read_yaml

    known = {recipe.name for recipe in studio.training.recipes()}
    if name.endswith((".yaml", ".yml")) or name in known:
        found = parse_spec(
            read_yaml(Path(name)) if name not in known else studio.training.recipe(name).spec, where=name
        )
        if not isinstance(found, TrainSpec):
            raise DataError(f"{name} is a {found.kind} job; a preview is of a training.")
        return found
    from jobs.specs.builders import BUILDERS

    source = {"builder": name} if name in BUILDERS else {"path": name}
    return TrainSpec.parse({"model": {"path": model}, "data": source})


def draw(told: dict[str, Any], console: "Console") -> None:
    """The picture of jobs.data.preview in a terminal."""
    low, high = told["levels"]
    console.print(
        f"{told['objective']} at {told['level']:.0%} masked: {told['masked']} of "
        f"{counted(told['maskable'], 'token')} "
        f"(it draws {low:.1%} to {high:.1%})."
    )
    console.print(told["attention"]["sentence"])
    _attention(told["attention"], console)
    for number, row in enumerate(told["rows"]):
        console.print()
        place = told["places"][number] if number < len(told["places"]) else f"sequence {number + 1}"
        console.print(f"{place}: {counted(row['real'], 'token')}", style="bold", highlight=False)
        console.print(_row(row), soft_wrap=False)
    console.print()
    console.print(_legend(told))
    console.print("Share of the loss, all tokens equally hard to guess:")
    for kind, share in told["share"].items():
        console.print(f"  {kind:8} {'█' * round(share * BAR):{BAR}} {share:.1%}", highlight=False)


def _attention(told: dict[str, Any], console: "Console") -> None:
    """Who sees whom, where not everyone sees everyone: a line for two rows of cells."""
    cells = [[int(digit) for digit in line] for line in told["cells"]]
    if all(cell == MOST for line in cells for cell in line):
        return
    for upper, lower in zip(cells[::2], [*cells[1::2], cells[-1]], strict=False):
        shades = [
            SHADES[round((a + b) / (2 * MOST) * (len(SHADES) - 1))] for a, b in zip(upper, lower, strict=True)
        ]
        console.print("  " + "".join(shades), highlight=False, soft_wrap=True)
    console.print(f"  A line is tokens that look, a column those that are seen, of {told['positions']}.")


def _row(row: dict[str, Any]) -> "Text":
    from rich.text import Text

    from studio.cli.render import safe

    result, before = Text(), ""
    for at, (text, kind, masked) in enumerate(zip(row["texts"], row["kinds"], row["masked"], strict=True)):
        if row["blocks"] and at and row["blocks"][at] != row["blocks"][at - 1]:
            result.append("│", style="bold blue")
        if kind != before and "prompt" in (kind, before):
            result.append(MARKS["prompt"][0 if kind == "prompt" else 1], style="bold cyan")
        before = kind
        if masked:
            result.append(MASKED_END if kind == "end" else MASK * max(1, len(text)), style=STYLES[kind])
        else:
            result.append(
                MARKS.get(kind, "") if kind in ("end", "padding") else safe(text), style=STYLES[kind]
            )
    return result


def _legend(told: dict[str, Any]) -> "Text":
    from rich.text import Text

    result = Text()
    kinds = {kind for row in told["rows"] for kind in row["kinds"]}
    for kind, meaning in told["legend"].items():
        if kind in kinds:
            result.append(f"{MARKS.get(kind, '')} {kind}".strip(), style=STYLES[kind])
            result.append(f" {meaning}\n", style="dim")
    result.append(MASK, style="bold")
    result.append(f" masked ({told['mask']})", style="dim")
    if "end" in kinds:
        result.append(f"\n{MASKED_END}", style=STYLES["end"])
        result.append(" end-of-text token, masked", style="dim")
    if told["block_size"]:
        result.append("\n│", style="bold blue")
        result.append(f" blocks of {told['block_size']} tokens", style="dim")
    return result
