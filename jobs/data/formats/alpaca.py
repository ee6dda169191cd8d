"""{"instruction": "...", "input": "...", "output": "..."}; input may be empty or left out (Alpaca)."""

from jobs.data.formats import fields
from jobs.data.rows import Message, Row

FIELDS = '{"instruction", "input" (may be left out), "output"}'
NOTE = "instructions with answers; the answer is trained"


def detect(row: dict) -> bool:
    return "instruction" in row and "output" in row


def to_row(row: dict, place: str) -> Row:
    """The input, where there is one, follows the instruction after a blank line. Raises: DataError."""
    instruction = fields.filled(row, "instruction", place)
    given = fields.string(row, "input", place, default="")
    answer = fields.filled(row, "output", place)
    prompt = f"{instruction}\n\n{given}" if given.strip() else instruction
    return Row(place, messages=(Message("user", prompt), Message("assistant", answer)))
