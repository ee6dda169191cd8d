"""{"prompt": "...", "completion": "..."}; "response" may stand for "completion"."""

from jobs.data.formats import fields
from jobs.data.rows import Message, Row
from jobs.protocol.errors import DataError

FIELDS = '{"prompt", "completion" or "response"}'
NOTE = "prompts with answers; the answer is trained"


def detect(row: dict) -> bool:
    return "prompt" in row and ("completion" in row or "response" in row)


def to_row(row: dict, place: str) -> Row:
    """Raises: DataError."""
    answers = [field for field in ("completion", "response") if field in row]
    if len(answers) != 1:
        raise DataError(f"{place}: give one of the fields 'completion' and 'response'.")
    prompt = fields.string(row, "prompt", place)
    answer = fields.filled(row, answers[0], place)
    return Row(place, messages=(Message("user", prompt), Message("assistant", answer)))
