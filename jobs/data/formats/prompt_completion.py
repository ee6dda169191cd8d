"""{"prompt": "...", "completion": "..."}; "response" may stand for "completion"."""

from collections.abc import Callable, Container

from jobs.data.formats import fields
from jobs.data.rows import Message, Row
from jobs.protocol.errors import DataError

FIELDS = '{"prompt", "completion" or "response"}'
NOTE = "prompts with answers; the answer is trained"


def detect(given: Container[str]) -> bool:
    return "prompt" in given and ("completion" in given or "response" in given)


def to_row(row: dict, place: str) -> Row:
    """Raises: DataError."""
    answers = [field for field in ("completion", "response") if field in row]
    if len(answers) != 1:
        raise DataError(f"{place}: give one of the fields 'completion' and 'response'.")
    prompt = fields.string(row, "prompt", place)
    answer = fields.filled(row, answers[0], place)
    return Row(place, messages=(Message("user", prompt), Message("assistant", answer)))


def from_row(row: Row, lost: Callable[[str], None]) -> dict:
    """The last question and its answer. Raises: DataError for rows of tokens."""
    messages = fields.conversation(row, lost)
    fields.without_pictures(messages, lost)
    system, turns = fields.system_apart(messages)
    if system:
        lost("system message")
    if len(turns) > 2:
        lost("turns before the last question")
    return {"prompt": turns[-2].content, "completion": turns[-1].content}
