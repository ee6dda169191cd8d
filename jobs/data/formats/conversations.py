"""{"conversations": [{"from": "human", "value": "..."}, {"from": "gpt", "value": "..."}]} (ShareGPT)"""

from collections.abc import Callable, Container

from jobs.data.formats import fields
from jobs.data.rows import Message, Row
from jobs.protocol.errors import DataError

FIELDS = '{"conversations": [{"from", "value"}, ...]}'
NOTE = "ShareGPT conversations; the last answer is trained"
ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}


def detect(given: Container[str]) -> bool:
    return "conversations" in given


def to_row(row: dict, place: str) -> Row:
    """Raises: DataError."""
    given = row.get("conversations")
    if not isinstance(given, list):
        raise DataError(f"{place}: the field 'conversations' must be a list of messages.")
    messages = []
    for number, message in enumerate(given, 1):
        where = f"{place}, message {number}"
        if not isinstance(message, dict):
            raise DataError(f"{where}: a message is an object with 'from' and 'value'.")
        speaker = fields.string(message, "from", where)
        messages.append(Message(ROLES.get(speaker, speaker), fields.string(message, "value", where)))
    return Row(place, messages=fields.in_order(messages, place))


def from_row(row: Row, lost: Callable[[str], None]) -> dict:
    """Raises: DataError for rows of tokens."""
    messages = fields.conversation(row, lost)
    fields.without_pictures(messages, lost)
    speakers = {"user": "human", "assistant": "gpt", "system": "system"}
    return {"conversations": [{"from": speakers[m.role], "value": m.content} for m in messages]}
