"""{"text": "..."}"""

from jobs.data.formats import fields
from jobs.data.rows import Row

FIELDS = '{"text"}'
NOTE = "plain text; every token may be masked"


def detect(row: dict) -> bool:
    return "text" in row


def to_row(row: dict, place: str) -> Row:
    """Raises: DataError."""
    return Row(place, text=fields.filled(row, "text", place))
