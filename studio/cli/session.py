"""What every command has in common: where the home is, the services over it, what --json and --wait mean."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from backend.studio import Studio

Home = Annotated[
    Path | None,
    typer.Option("--home", help="Folder with your runs, models and data.", show_default="~/.dllm-studio"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job, such as train-0001.")]


def home_folder(home: Path | None) -> Path:
    """The home to work in: --home, else STUDIO_HOME, else ~/.dllm-studio."""
    from studio.settings import load

    return load({"home": home}).home


@contextmanager
def services(home: Path | None, schedule: bool = False) -> Iterator["Studio"]:
    """The services over a home, its rows up to date.

    With `schedule` this process also starts jobs, unless another one does already.
    """
    from backend.studio import Studio

    studio = Studio(home_folder(home))
    try:
        if schedule:
            studio.start()
        else:
            studio.refresh()
        yield studio
    finally:
        studio.close()


def on_terminal() -> bool:
    """Whether a person is watching standard output."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
