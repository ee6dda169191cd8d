"""What the front door loads before it knows what is asked of it."""

import os
import subprocess
import sys

import pytest

from studio.cli.main import COMMANDS

HEAVY = (
    "torch",
    "transformers",
    "gradio",
    "sqlalchemy",
    "fastapi",
    "uvicorn",
    "datasets",
    "peft",
)
ASK = f"""
import sys
from studio.cli.main import main
try:
    main()
finally:
    print("LOADED", [name for name in {HEAVY!r} if name in sys.modules])
"""
NAMES = [name for commands in COMMANDS.values() for name in commands]


def ask(*words):
    # COLUMNS: help is wrapped to the terminal, and a test has none
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-c", ASK, *words], capture_output=True, text=True, timeout=60, env=environment
    )


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["run", "--help"], ["launch", "--help"]], ids=str
)
def test_help_loads_nothing_heavy(words):
    answer = ask(*words)
    assert answer.returncode == 0, answer.stderr
    assert "LOADED []" in answer.stdout


def test_help_names_every_command():
    text = ask("--help").stdout
    assert all(f" {name} " in text for name in NAMES)


def test_listing_jobs_loads_neither_torch_nor_a_web_framework():
    answer = ask("jobs", "--json")
    assert answer.returncode == 0, answer.stderr
    loaded = answer.stdout.split("LOADED ")[1]
    assert not any(
        f"'{name}'" in loaded for name in ("torch", "transformers", "gradio", "fastapi", "uvicorn")
    )


def test_the_version_is_the_packages():
    from importlib.metadata import version

    assert ask("--version").stdout.startswith(f"dllm-studio {version('dllm-studio')}\n")


def test_every_command_takes_home():
    import inspect

    from studio.cli.main import app

    without = {"import-config"}  # from one file to another
    for command in app.registered_commands:
        has = "home" in inspect.signature(command.callback).parameters
        assert has == (command.name not in without), command.name
