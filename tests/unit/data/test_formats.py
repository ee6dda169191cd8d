"""Every form of a row, and what is said about rows that are wrong."""

import pytest

from jobs.data import formats
from jobs.data.rows import Message
from jobs.protocol.errors import DataError

QUESTION, ANSWER = Message("user", "What is two?"), Message("assistant", "A number.")
ROWS = {
    "messages": {
        "messages": [
            {"role": "user", "content": "What is two?"},
            {"role": "assistant", "content": "A number."},
        ]
    },
    "conversations": {
        "conversations": [{"from": "human", "value": "What is two?"}, {"from": "gpt", "value": "A number."}]
    },
    "prompt_completion": {"prompt": "What is two?", "completion": "A number."},
    "alpaca": {"instruction": "What is two?", "input": "", "output": "A number."},
    "input_ids": {"input_ids": [5, 6, 7], "prompt_length": 1},
    "text": {"text": "Two is a number."},
}


@pytest.mark.parametrize("name", formats.FORMATS)
def test_each_form_is_detected_and_read(name):
    assert formats.detect(ROWS[name], "here") == name
    row = formats.to_row(name, ROWS[name], "here")
    if name == "text":
        assert (row.text, row.messages) == ("Two is a number.", ())
    elif name == "input_ids":
        assert (row.tokens, row.prompt_length, row.kind) == ((5, 6, 7), 1, "messages")
    else:
        assert (row.text, row.messages) == (None, (QUESTION, ANSWER))


@pytest.mark.parametrize("name", formats.FORMATS)
def test_each_form_has_the_fixed_shape(name):
    form = formats.FORMATS[name]
    assert form.FIELDS and form.NOTE and form.__doc__
    with pytest.raises(DataError, match="row 3"):
        form.to_row({}, "rows.jsonl, row 3")


@pytest.mark.parametrize("name", formats.FORMATS)
def test_each_form_is_written_as_it_was_read(name):
    lost = []
    row = formats.to_row(name, ROWS[name], "here")
    assert formats.FORMATS[name].from_row(row, lost.append) == ROWS[name]
    assert lost == []


LONG = {
    "messages": [
        {"role": role, "content": text}
        for role, text in zip(("system", *("user", "assistant") * 2), "sabcd", strict=True)
    ]
}


@pytest.mark.parametrize(
    ("name", "loses"),
    [
        ("messages", []),
        ("conversations", []),
        ("alpaca", []),
        ("prompt_completion", ["system message", "turns before the last question"]),
        ("text", ["who says what"]),
    ],
)
def test_what_a_form_has_no_room_for_is_told(name, loses):
    lost = []
    row = formats.to_row("messages", LONG, "here")
    written = formats.FORMATS[name].from_row(row, lost.append)
    assert lost == loses
    assert loses or formats.to_row(name, written, "here") == row


def test_a_text_becomes_an_answer_to_nothing_and_tokens_become_no_text():
    lost = []
    text = formats.to_row("text", ROWS["text"], "here")
    assert formats.FORMATS["prompt_completion"].from_row(text, lost.append) == {
        "prompt": "",
        "completion": "Two is a number.",
    }
    assert "no question" in lost[0]
    with pytest.raises(DataError, match="needs a tokenizer"):
        formats.FORMATS["input_ids"].from_row(text, lost.append)
    with pytest.raises(DataError, match="no tokenizer here"):
        formats.FORMATS["text"].from_row(formats.to_row("input_ids", ROWS["input_ids"], "here"), lost.append)


@pytest.mark.parametrize(
    ("row", "length"),
    [
        ({"input_ids": [5, 6, 7]}, None),
        ({"input_ids": [5, 6, 7], "prompt_length": 0}, 0),
        ({"input_ids": [5, 6, 7], "labels": [-100, -100, 7]}, 2),
        ({"input_ids": [5, 6, 7], "labels": [5, 6, 7], "prompt_length": None}, 0),
    ],
)
def test_the_prompt_of_token_ids(row, length):
    assert formats.to_row("input_ids", row, "here").prompt_length == length


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"input_ids": []}, "at least one"),
        ({"input_ids": [1, -2]}, "token ids"),
        ({"input_ids": [1, 2.5]}, "whole numbers"),
        ({"input_ids": [1, True]}, "whole numbers"),
        ({"input_ids": [1, 2], "prompt_length": 2}, "from 0 to 1"),
        ({"input_ids": [1, 2], "prompt_length": "1"}, "from 0 to 1"),
        ({"input_ids": [1, 2], "labels": [-100, -100]}, "other patterns are not read"),
        ({"input_ids": [1, 2, 3], "labels": [-100, 2, -100]}, "other patterns are not read"),
        ({"input_ids": [1, 2], "labels": [1, 2, 3]}, "other patterns are not read"),
        ({"input_ids": [1, 2], "labels": [-100, 2], "prompt_length": 0}, "says otherwise"),
    ],
)
def test_token_ids_that_cannot_be_are_named(row, says):
    with pytest.raises(DataError, match="ids.jsonl, line 7") as caught:
        formats.to_row("input_ids", row, "ids.jsonl, line 7")
    assert says in str(caught.value)


def test_columns_may_have_other_names():
    row = formats.renamed({"question": "a", "answer": "b", "id": 3}, {"prompt": "question"}, "here")
    assert row == {"prompt": "a", "answer": "b", "id": 3}
    with pytest.raises(DataError, match="here: data.columns reads 'ask', but the row has 'question'"):
        formats.renamed({"question": "a"}, {"prompt": "ask"}, "here")


def test_response_stands_for_completion_but_not_beside_it():
    row = formats.to_row("prompt_completion", {"prompt": "", "response": "Yes."}, "here")
    assert row.messages == (Message("user", ""), Message("assistant", "Yes."))
    with pytest.raises(DataError, match="one of the fields"):
        formats.to_row("prompt_completion", {"prompt": "", "response": "a", "completion": "b"}, "here")


def test_alpaca_puts_the_input_after_a_blank_line():
    row = formats.to_row("alpaca", {"instruction": "Add.", "input": "1 2", "output": "3"}, "here")
    assert row.messages[0].content == "Add.\n\n1 2"


def test_an_unknown_form_lists_the_known_ones():
    with pytest.raises(DataError, match=r"a\.jsonl, line 1: the fields 'question', 'reply'.*\{\"text\"\}"):
        formats.detect({"question": "a", "reply": "b"}, "a.jsonl, line 1")


def turns(*roles):
    return {"messages": [{"role": role, "content": "x"} for role in roles]}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (turns("assistant", "user"), "roles out of order: message 1 is from 'assistant'"),
        (turns("user", "user", "assistant"), "roles out of order: message 2 is from 'user'"),
        (turns("user", "system", "assistant"), "roles out of order: message 2 is from 'system'"),
        (turns("user"), "last message must be the assistant's"),
        (turns("system"), "last message must be the assistant's"),
        (turns(), "no messages"),
        (turns("user", "robot"), "message 2 has the role 'robot'"),
        ({"messages": "hello"}, "'messages' must be a list"),
        ({"messages": ["hello"]}, "message 1: a message is an object"),
        ({"messages": [{"role": "user"}]}, "message 1: the field 'content' is missing"),
        ({"messages": [{"role": "user", "content": 3}]}, "'content' must be text, it is int"),
    ],
)
def test_conversations_that_cannot_be_are_named(row, says):
    with pytest.raises(DataError, match=r"chat.jsonl, line 7") as caught:
        formats.to_row("messages", row, "chat.jsonl, line 7")
    assert says in str(caught.value)


def test_a_system_message_may_come_first():
    row = formats.to_row("messages", turns("system", "user", "assistant", "user", "assistant"), "here")
    assert [m.role for m in row.messages] == ["system", "user", "assistant", "user", "assistant"]


@pytest.mark.parametrize("text", ["", "  \n", None, 5])
def test_a_text_that_is_none_is_refused(text):
    with pytest.raises(DataError, match="'text'"):
        formats.to_row("text", {"text": text}, "here")
