"""studio import-config: the settings of another project as a spec of ours."""

from pathlib import Path
from typing import Annotated

import typer


def import_config(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="YAML of LLaMA-Factory or dFactory, LLaDA's config.json, or dLLM's arguments: a file, or a "
            "command line in quotes.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="SPEC.yaml", help="Write the spec here, not to the screen."),
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", min=1, help="Rows of your data: turns epochs into steps.")
    ] = None,
    processes: Annotated[
        int, typer.Option("--processes", min=1, max=64, help="GPUs that it trained on, one process each.")
    ] = 1,
) -> None:
    """Turn the settings of another project into a train spec, and list every key that is not in it."""
    from jobs.protocol.errors import SpecError
    from jobs.protocol.folder import write_atomic
    from jobs.specs.importing import IMPORTERS, import_config
    from jobs.specs.load import to_yaml

    found = import_config(*_text(file), rows=rows, processes=processes)
    typer.echo(f"These are settings of {IMPORTERS[found.project].TITLE}.", err=True)
    for note in found.notes:
        typer.echo(note, err=True)
    for left in found.left:
        typer.echo(f"left out: {left.key} = {left.value!r} ({left.reason})", err=True)
    if out is None:
        typer.echo(to_yaml(found.spec), nl=False)
    elif out.exists():
        raise SpecError(f"{out} is there already; give another name to --out.")
    else:
        write_atomic(out, to_yaml(found.spec))
        typer.echo(f"Written to {out}. Start it with: studio run {out}", err=True)


def _text(file: str) -> tuple[str, str]:
    """(text, what to call it) of a file or a command line. Raises: SpecError."""
    from jobs.protocol.errors import SpecError

    path = Path(file).expanduser()
    if " --" in file or file.startswith("--"):
        return file, "the command line"
    try:
        return path.read_text(encoding="utf-8"), path.name
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} cannot be read: {error}.") from None
