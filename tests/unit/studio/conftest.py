"""The commands over a real home folder, with jobs that run inside the test instead of in processes."""

import io
import sys

import pytest

from jobs.executors.inline import InlineExecutor
from jobs.protocol.events import EventWriter
from jobs.protocol.folder import write_json
from studio.cli import main as front

TRAIN = """
kind: train
name: tiny
model: {new: {architecture: gpt2, tokenizer: "characters:1234"}}
data: {builder: sudoku, options: {size: 4, rows: 20}}
"""


def trained(run, attempt):
    """What a train program leaves when all went well."""
    events = EventWriter(run.events, attempt.number)
    events.write("progress", step=20, total=20, seconds_left=0.0)
    events.write("metrics", step=20, values={"loss": 0.25})
    attempt.log.write_text("first line\nsecond \x1b[31mline\n")
    write_json(run.result_json, {"attempt": attempt.number, "status": "succeeded"})
    return 0


@pytest.fixture
def program(monkeypatch):
    """The program that jobs of this test run; replace its entries."""
    functions = {"train": trained}
    monkeypatch.setattr("backend.studio.LocalExecutor", lambda: InlineExecutor(functions))
    return functions


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(TRAIN)
    return str(path)


@pytest.fixture
def studio(monkeypatch, capsys, program):
    """Calls the command line; returns (exit code, standard output, standard error)."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["studio", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        with pytest.raises(SystemExit) as left:
            front.main()
        out, err = capsys.readouterr()
        return left.value.code or 0, out, err

    return call
