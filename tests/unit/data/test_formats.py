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
    "text": {"text": "Two is a number."},
}


@pytest.mark.parametrize("name", formats.FORMATS)
def test_each_form_is_detected_and_read(name):
    assert formats.detect(ROWS[name], "here") == name
    row = formats.to_row(name, ROWS[name], "here")
    if name == "text":
        assert (row.text, row.messages) == ("Two is a number.", ())
    else:
        assert (row.text, row.messages) == (None, (QUESTION, ANSWER))


@pytest.mark.parametrize("name", formats.FORMATS)
def test_each_form_has_the_fixed_shape(name):
    form = formats.FORMATS[name]
    assert form.FIELDS and form.NOTE and form.__doc__
    with pytest.raises(DataError, match="row 3"):
        form.to_row({}, "rows.jsonl, row 3")


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
