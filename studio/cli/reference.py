"""Writes docs/cli.md from the commands themselves: python -m studio.cli.reference docs/cli.md"""

import inspect
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from studio.cli.main import COMMANDS, root
from studio.settings import SETTINGS

VALUES = {str: "TEXT", int: "NUMBER", float: "NUMBER", Path: "PATH"}

HEAD = """# Command line

This page is written by `make docs` from the commands' own help; a test keeps it current.

Every command takes `--home FOLDER` (or `STUDIO_HOME`) and `--help`. Wherever something is listed, `--json`
prints it for programs. What is asked for goes to standard output, what is said about it to standard error.

Exit codes: 0 done; 1 the job did not succeed, or `doctor` found something wrong; 2 it cannot be done, and one
sentence says why; 70 an error in the program (`studio --debug ...` shows where); 130 left with Ctrl-C.

## studio"""

SETTINGS_HEAD = """## Settings

What `studio launch` goes by. A flag comes first, then the environment (`STUDIO_PORT` for `port`), then
`settings.toml` in the home folder, then the default. A token never stands in settings.toml."""


def page() -> str:
    """The whole page."""
    blocks = [HEAD, _options(root)]
    for panel, commands in COMMANDS.items():
        blocks.append(f"## {panel}")
        for name, function in commands.items():
            blocks += _command(name, function)
    return "\n\n".join([*blocks, SETTINGS_HEAD, _settings()]) + "\n"


def _command(name: str, function: Callable[..., Any]) -> list[str]:
    arguments = [p for p in _parameters(function) if isinstance(p.info, ArgumentInfo)]
    usage = " ".join(["studio", name, *(p.info.metavar or p.name.upper() for p in arguments), "[OPTIONS]"])
    told = [f"- `{p.info.metavar or p.name.upper()}`: {p.info.help}" for p in arguments]
    blocks = [f"### studio {name}", f"    {usage}", inspect.getdoc(function) or "", "\n".join(told)]
    return [block for block in [*blocks, _options(function)] if block]


def _options(function: Callable[..., Any]) -> str:
    lines = ["| option | meaning | default |", "| --- | --- | --- |"]
    for p in _parameters(function):
        if isinstance(p.info, OptionInfo):
            lines.append(f"| {_names(p)} | {p.info.help or ''} | {_default(p)} |")
    return "\n".join(lines)


def _settings() -> str:
    lines = ["| setting | meaning | default | in settings.toml |", "| --- | --- | --- | --- |"]
    for name, setting in SETTINGS.items():
        default = "" if setting.default in (None, ()) else f"`{setting.default}`"
        lines.append(f"| `{name}` | {setting.help} | {default} | {'yes' if setting.stored else 'no'} |")
    return "\n".join(lines)


class Parameter(NamedTuple):
    """A parameter of a command: its name, what typer knows of it, its type and its default."""

    name: str
    info: Any
    type: Any
    default: Any


def _parameters(function: Callable[..., Any]) -> list[Parameter]:
    hints = get_type_hints(function, include_extras=True)
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        kind, info = get_args(hints[name])[:2]
        found.append(Parameter(name, info, kind, parameter.default))
    return found


def _names(p: Parameter) -> str:
    # Inside Annotated, typer keeps the first name where the default would stand.
    names = [n for n in (p.info.default, *(p.info.param_decls or ())) if isinstance(n, str)]
    names = names or ["--" + p.name.replace("_", "-")]
    types = [t for t in (get_args(p.type) or (p.type,)) if t is not type(None)]
    kind = (get_args(types[0]) or types)[0]  # list[str]: str
    if kind is bool:
        value = ""
    elif issubclass(kind, Enum):
        value = " " + "|".join(member.value for member in kind)
    else:
        value = " " + (p.info.metavar or VALUES[kind])
    return ", ".join(f"`{name}{value}`".replace("|", "\\|") for name in names)


def _default(p: Parameter) -> str:
    if isinstance(p.info.show_default, str):
        return f"`{p.info.show_default}`"
    if p.default in (None, False, ""):
        return ""
    return f"`{getattr(p.default, 'value', p.default)}`"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
