"""What the server writes of jobs and settings is told in every language, and no catalogue has more."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ui import words
from ui.words import LANGUAGES, SENTENCES

ROOT = Path(__file__).parents[3]
WRITERS = (
    *("backend/outcome.py", "backend/queue.py", "backend/reconciler.py", "backend/scheduler.py"),
    *("backend/services/waiting.py", "jobs/specs/samplers/cautions.py"),
)
"""Each text of these that is a sentence is told. A place in one is a plain name."""
PIECES = {"CPU slot", "CPU slots", "GPU", "GPUs", "Stopped before its next try."}
PIECES |= {"starting the model server", "sending", "waiting for its turn"}
PIECES |= {"aborted itself", "hit a bus error", "hit an arithmetic error", "crashed (segfault)"}
PIECES |= {"was stopped", "was lost", "failed", "is not there any more"}
"""What else stands in a sentence or for one."""
PIECES_OF = (*WRITERS, "backend/services/sampling.py", "backend/services/jobs.py")
BETWEEN = re.compile(r"(?<=[.!?]) (?=[A-Z{])")  # a template may go on with a place


def literals(path: Path) -> Iterator[str]:
    """The texts of a module but its docstrings; f-strings with {names} where values come."""
    tree = ast.parse(path.read_text("utf-8"))
    passed = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            passed |= {id(part) for part in node.values}
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else f"{{{ast.unparse(part.value)}}}"
                for part in node.values
                if isinstance(part, ast.Constant | ast.FormattedValue)
            )
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed:
            yield node.value


def sentences(path: Path) -> Iterator[str]:
    """The sentences among them, each for itself."""
    for text in literals(path):
        if re.search(r"^ ?[A-Z].* .*\}$|^[^\\]* [^\\]*\.$", text):
            parts = BETWEEN.split(text.strip())
            yield from (part for part in parts if re.search("[a-z]", re.sub(r"\{.*?\}", "", part)))


def phases() -> set[str]:
    """What programs say that they do."""
    calls = (
        node
        for path in (ROOT / "jobs/programs").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "phase"
    )
    return {call.args[0].value for call in calls if call.args and isinstance(call.args[0], ast.Constant)}


def written() -> set[str]:
    return {text for path in WRITERS for text in sentences(ROOT / path)} | phases() | PIECES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_of_the_server_has_its_words(language: str):
    held = json.loads((ROOT / "ui/words" / language / SENTENCES).read_text("utf-8"))
    assert sorted(written() - held.keys()) == []
    assert sorted(held.keys() - written()) == []


def test_places_are_plain_names():
    texts = {text for path in WRITERS for text in sentences(ROOT / path)}
    assert [text for text in texts if re.findall(r"\{", text) != re.findall(r"\{(?=\w+\})", text)] == []


def test_pieces_are_written_somewhere():
    assert PIECES - {text for path in PIECES_OF for text in literals(ROOT / path)} == set()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("Stopped on request.", "已按要求停止。"),
        ("Waits for the end of train-0001 (queued).", "等待 train-0001 (queued) 结束。"),
        ("Waits for the end of a, b and 2 more.", "等待 a, b 和另外 2 个任务结束。"),
        (
            "Waits for 2 CPU slots; in use by train-1 (cpu:0).",
            "等待 2 个 CPU 槽位；正在使用的任务：train-1 (cpu:0)。",
        ),
        (
            "Try 2 of 4 in 40 s. Last time: The program ended with code 1. Its last line: boom.",
            "40 s 后进行第 2 次尝试，共 4 次。上一次：程序以退出码 1 结束。最后一行：boom.",
        ),
        ("Nobody knows this. It is new.", "Nobody knows this. It is new."),
        ("The disk is full. Nobody knows this.", "磁盘已满。Nobody knows this."),
    ],
)
def test_a_sentence_is_told_with_its_values(asked_in_chinese: None, written: str, told: str):
    assert words.told(written) == told


def test_a_long_line_that_many_places_fit_is_left_as_it_is(asked_in_chinese: None):
    line = "The job needs " + "1 CPU slot and this machine has " * 400 + "1."
    assert words.told(line) == line


def test_in_english_it_is_as_it_was_written():
    assert words.told("Stopped on request. It wrote nothing.") == "Stopped on request. It wrote nothing."
