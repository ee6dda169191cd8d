"""Rows from one form into another, as files."""

import json
from pathlib import Path

import pytest

from jobs.data.convert import WRITERS, convert
from jobs.data.load import load_rows
from jobs.protocol.errors import DataError
from jobs.specs.data import DataSpec


@pytest.fixture
def talks(tmp_path: Path) -> DataSpec:
    turns = [{"role": r, "content": c} for r, c in (("user", "a"), ("assistant", "b"), ("user", "c"))]
    rows = [{"messages": [*turns, {"role": "assistant", "content": str(n)}], "id": n} for n in range(3)]
    (tmp_path / "talks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return DataSpec(path=str(tmp_path / "talks.jsonl"))


def contents(path: Path) -> list:
    return [[m.content for m in row.messages] for row in load_rows(DataSpec(path=str(path))).rows]


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("form", ["messages", "conversations", "alpaca"])
def test_nothing_is_lost_but_fields_that_are_not_read(talks, tmp_path, form, ending):
    done = convert(talks, form, tmp_path / f"out{ending}")
    assert contents(tmp_path / f"out{ending}") == contents(Path(talks.path))
    assert done.rows == 3 and dict(done.lost) == {"fields id of talks.jsonl": 3}


def test_what_is_lost_is_counted(talks, tmp_path):
    done = convert(talks, "prompt_completion", tmp_path / "out.jsonl")
    assert done.lost["turns before the last question"] == 3
    assert contents(tmp_path / "out.jsonl") == [["c", str(n)] for n in range(3)]


@pytest.mark.parametrize(
    ("form", "name", "says"),
    [
        ("xml", "out.jsonl", "there is no format 'xml'"),
        ("text", "out.csv", "are not written"),
        ("text", "talks.jsonl", "is there already"),
        ("input_ids", "out.jsonl", "needs a tokenizer"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(talks, tmp_path, form, name, says):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match=says):
        convert(talks, form, tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before
