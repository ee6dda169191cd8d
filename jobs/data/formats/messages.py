"""{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}"""

from jobs.data.formats import fields
from jobs.data.rows import Message, Row
from jobs.protocol.errors import DataError

FIELDS = '{"messages": [{"role", "content"}, ...]}'
NOTE = "conversations; the last answer is trained"


def detect(row: dict) -> bool:
    return "messages" in row


def to_row(row: dict, place: str) -> Row:
    """Raises: DataError."""
    given = row.get("messages")
    if not isinstance(given, list):
        raise DataError(f"{place}: the field 'messages' must be a list of messages.")
    messages = []
    for number, message in enumerate(given, 1):
        where = f"{place}, message {number}"
        if not isinstance(message, dict):
            raise DataError(f"{where}: a message is an object with 'role' and 'content'.")
        messages.append(
            Message(fields.string(message, "role", where), fields.string(message, "content", where))
        )
    return Row(place, messages=fields.in_order(messages, place))
