"""{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}

A user's content may also be a list of parts, {"type": "text", "text": "..."} and {"type": "image", "image":
"cat.png"}. Image parts without a path, and the mark <image> in a text, stand for the row's `images` in order.
"""

from collections.abc import Callable, Container

from jobs.data.formats import fields, parts
from jobs.data.rows import Message, Row
from jobs.protocol.errors import DataError

FIELDS = '{"messages": [{"role", "content"}, ...]}'
NOTE = "conversations; the last answer is trained"


def detect(given: Container[str]) -> bool:
    return "messages" in given


def to_row(row: dict, place: str) -> Row:
    """Raises: DataError."""
    given = row.get("messages")
    if not isinstance(given, list):
        raise DataError(f"{place}: the field 'messages' must be a list of messages.")
    images = parts.Images(row, place)
    messages = []
    for number, message in enumerate(given, 1):
        where = f"{place}, message {number}"
        if not isinstance(message, dict):
            raise DataError(f"{where}: a message is an object with 'role' and 'content'.")
        messages.append(_message(message, images, where))
    images.all_placed()
    return Row(place, messages=fields.in_order(messages, place))


def _message(message: dict, images: parts.Images, where: str) -> Message:
    role = fields.string(message, "role", where)
    content = message.get("content")
    if isinstance(content, list) or (isinstance(content, str) and images.named and parts.MARK in content):
        found = parts.read(content, images, where)
        if role != "user" and any(not isinstance(part, str) for part in found):
            raise DataError(f"{where}: only a user's message can hold images, this is from {role!r}.")
        return Message(role, "".join(part for part in found if isinstance(part, str)), found)
    return Message(role, fields.string(message, "content", where))


def from_row(row: Row, lost: Callable[[str], None]) -> dict:
    """Raises: DataError for rows of tokens."""
    return {"messages": [message.turn() for message in fields.conversation(row, lost)]}
