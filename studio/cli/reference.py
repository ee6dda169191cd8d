"""Writes docs/cli.md from the commands themselves: python -m studio.cli.reference docs/cli.md"""

import sys
from pathlib import Path
from typing import Any

import typer

from studio.cli.main import COMMANDS, app

HEAD = """# Command line

This page is written by `make docs` from the commands' own help; a test keeps it current.

Every command takes `--home FOLDER` (or `STUDIO_HOME`) and `--help`. Wherever something is listed, `--json`
prints it for programs. What is asked for goes to standard output, what is said about it to standard error.

Exit codes: 0 done; 1 the job did not succeed, or `doctor` found something wrong; 2 it cannot be done, and one
sentence says why; 70 an error in the program (`studio --debug ...` shows where); 130 left with Ctrl-C.

## studio
"""


def page() -> str:
    """The whole page."""
    group: Any = typer.main.get_command(app)
    parts = [HEAD, _options(group)]
    for panel, commands in COMMANDS.items():
        parts.append(f"## {panel}\n")
        parts += [_command(name, group.commands[name]) for name in commands]
    return "\n".join(parts)


def _command(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join(["studio", name, *(_argument(a) for a in arguments), "[OPTIONS]"])
    lines = [f"### studio {name}\n", f"    {usage}\n", f"{' '.join(command.help.split())}\n"]
    lines += [f"- `{a.make_metavar() if not a.metavar else a.metavar}`: {a.help}" for a in arguments]
    return "\n".join(lines) + ("\n\n" if arguments else "\n") + _options(command)


def _argument(argument: Any) -> str:
    shown = argument.metavar or argument.name.upper()
    return shown if argument.required else f"[{shown}]"


def _options(command: Any) -> str:
    lines = ["| option | meaning | default |", "| --- | --- | --- |"]
    for option in command.params:
        if option.param_type_name == "option":
            lines.append(f"| {_names(option)} | {option.help or ''} | {_default(option)} |")
    return "\n".join(lines) + "\n"


def _names(option: Any) -> str:
    names = [*option.opts, *option.secondary_opts]
    value = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
    return ", ".join(f"`{name}{value}`" for name in names)


def _default(option: Any) -> str:
    if isinstance(option.show_default, str):
        return f"`{option.show_default}`"
    if option.default in (None, False, [], "") or callable(option.default):
        return ""
    return f"`{getattr(option.default, 'value', option.default)}`"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
