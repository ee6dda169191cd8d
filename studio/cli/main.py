"""The command line's front door: the list of commands, and what a person sees when something is wrong.

Heavy libraries are imported inside the command that needs them, so `studio --help` answers at once.
"""

import logging
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from jobs.protocol.errors import StudioError
from studio.cli import (
    chat,
    clean,
    convert,
    data,
    datasets,
    doctor,
    export,
    flops,
    groups,
    import_config,
    jobs,
    launch,
    lengths,
    lr_find,
    models,
    prepare,
    probe,
    queue,
    remarks,
    run,
    sample,
    share,
)

# panel of the help page -> command -> function
COMMANDS: dict[str, dict[str, Callable[..., Any]]] = {
    "Start": {"launch": launch.launch, "run": run.run, "doctor": doctor.doctor},
    "Jobs": {
        "jobs": jobs.list_jobs,
        "show": jobs.show,
        "logs": jobs.logs,
        "stop": jobs.stop,
        "resume": jobs.resume,
        "hold": queue.hold,
        "release": queue.release,
        "move": queue.move,
        "tag": remarks.tag,
        "note": remarks.note,
        "delete": jobs.delete,
        "clean": clean.clean,
        "groups": groups.groups,
        "rerun": groups.rerun,
        "export": export.export,
    },
    "Before a training": {
        "import-config": import_config.import_config,
        "lr-find": lr_find.lr_find,
        "flops": flops.flops,
        "lengths": lengths.lengths,
    },
    "Models and data": {
        "models": models.list_models,
        "datasets": datasets.list_datasets,
        "check-data": data.check_data,
        "preview": data.preview,
        "prepare": prepare.prepare,
        "convert-data": prepare.convert_data,
        "convert": convert.convert,
        "sample": sample.sample,
        "chat": chat.chat,
        "export-sample": share.export_sample,
        "import-sample": share.import_sample,
        "probe": probe.probe,
    },
}

FAILED = 1  # the job that was waited for did not succeed
REFUSED = 2  # what was asked cannot be done as asked; also wrong options
BUG = 70  # sysexits.h: internal software error

app = typer.Typer(
    name="studio",
    help="Train, convert, sample and watch diffusion language models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for panel, commands in COMMANDS.items():
    for name, function in commands.items():
        app.command(name, rich_help_panel=panel)(function)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"dllm-studio {version('dllm-studio')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error came from (also: STUDIO_DEBUG=1).")
    ] = False,
) -> None:
    """Train, convert, sample and watch diffusion language models."""
    if debug:
        os.environ["STUDIO_DEBUG"] = "1"
    if not _debugging():
        logging.lastResort = _Sentences(logging.WARNING)  # `launch` sets up logging of its own


def main() -> None:
    """Run the command line. A person's mistake is a sentence on stderr, never a traceback."""
    try:
        app()
    except StudioError as error:
        _complain(str(error))
        sys.exit(REFUSED)
    except Exception as error:  # noqa: BLE001  the edge of the process: the last place to speak plainly
        _complain(
            f"an error in the program ({type(error).__name__}: {error}). "
            "Run `studio --debug ...` to see where, and please report it."
        )
        sys.exit(BUG)


class _Sentences(logging.Handler):
    """Warnings of the services as a person's sentence on stderr, without their traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"studio: {record.getMessage()}", file=sys.stderr)


def _debugging() -> bool:
    return os.environ.get("STUDIO_DEBUG") == "1"


def _complain(text: str) -> None:
    """Each problem as a line of its own; with --debug the traceback first."""
    if _debugging():
        import traceback

        traceback.print_exc()
    for line in text.splitlines():
        print(f"studio: {line}", file=sys.stderr)


if __name__ == "__main__":
    main()
