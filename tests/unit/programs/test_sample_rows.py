"""Files of prompts, what their rows mean, and predictions that a kill cut short."""

import json

import pytest

from jobs.programs.asks import Ask
from jobs.programs.sample import append, heal, read_prompts, row_as_ask
from jobs.protocol.errors import DataError


def test_a_txt_file_has_a_prompt_a_line(tmp_path):
    path = tmp_path / "p.txt"
    path.write_text("one\n\ntwo ____\n")
    assert list(read_prompts(path)) == [
        ("p.txt, line 1", {"prompt": "one"}),
        ("p.txt, line 3", {"prompt": "two ____"}),
    ]


def test_a_jsonl_file_has_a_row_a_line(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": "a"}\n{"text": "b"}\n')
    assert [row for _, row in read_prompts(path)] == [{"prompt": "a"}, {"text": "b"}]


@pytest.mark.parametrize("name", ["p.txt", "p.jsonl"])
def test_an_empty_file_is_refused(tmp_path, name):
    (tmp_path / name).write_text("\n")
    with pytest.raises(DataError, match="is empty"):
        list(read_prompts(tmp_path / name))


def test_what_a_row_asks(text_model):
    config = text_model.config
    question = [{"role": "user", "content": "a"}]
    assert row_as_ask({"prompt": "a"}, config, True) == Ask("messages", question)
    assert row_as_ask({"prompt": "a"}, config, False) == Ask("prompt", "a")
    assert row_as_ask({"text": "a"}, config, True) == Ask("prompt", "a")
    assert row_as_ask({"infill": "a ____"}, config, True) == Ask("infill", "a ____")
    assert row_as_ask({"grid": "1."}, config, True) == Ask("grid", "1.")
    answered = [*question, {"role": "assistant", "content": "b"}]
    assert row_as_ask({"messages": answered}, config, True) == Ask("messages", question)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"question": "a"}, "has question"),
        ({"prompt": 3}, "'prompt' must be text"),
        ({"messages": []}, "list"),
    ],
)
def test_a_wrong_row_is_named(text_model, row, says):
    with pytest.raises(DataError, match=says):
        row_as_ask(row, text_model.config, False)


def test_a_line_cut_short_is_taken_away(tmp_path):
    path = tmp_path / "predictions.jsonl"
    assert heal(path) == set()
    append(path, [{"index": 0, "text": "é"}, {"index": 4, "text": "b"}])
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"index": 5, "te')
    assert heal(path) == {0, 4}
    assert path.read_bytes() == whole
    append(path, [{"index": 5}])
    assert [json.loads(line)["index"] for line in path.read_text().splitlines()] == [0, 4, 5]
