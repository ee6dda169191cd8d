"""{"text": "..."}"""

from collections.abc import Callable, Container

from jobs.data.formats import fields
from jobs.data.rows import Row

FIELDS = '{"text"}'
NOTE = "plain text; every token may be masked"


def detect(given: Container[str]) -> bool:
    return "text" in given


def to_row(row: dict, place: str) -> Row:
    """Raises: DataError."""
    return Row(place, text=fields.filled(row, "text", place))


def from_row(row: Row, lost: Callable[[str], None]) -> dict:
    """A conversation's contents with a blank line between. Raises: DataError for rows of tokens."""
    if row.text is not None:
        return {"text": row.text}
    messages = fields.conversation(row, lost)
    fields.without_pictures(messages, lost)
    lost("who says what")
    return {"text": "\n\n".join(message.content for message in messages if message.content)}
