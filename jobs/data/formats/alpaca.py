"""{"instruction": "...", "input": "...", "output": "..."}; input may be empty or left out (Alpaca).

As in LLaMA-Factory there may be a `system` text, and a `history` of [question, answer] pairs before.
"""

from collections.abc import Callable, Container

from jobs.data.formats import fields
from jobs.data.rows import Message, Row
from jobs.protocol.errors import DataError

FIELDS = '{"instruction", "input" (may be left out), "output"}, with "system" and "history" or without'
NOTE = "instructions with answers; the answer is trained"


def detect(given: Container[str]) -> bool:
    return "instruction" in given and "output" in given


def to_row(row: dict, place: str) -> Row:
    """The input, where there is one, follows the instruction after a blank line. Raises: DataError."""
    instruction = fields.filled(row, "instruction", place)
    given = fields.string(row, "input", place, default="")
    answer = fields.filled(row, "output", place)
    prompt = f"{instruction}\n\n{given}" if given.strip() else instruction
    system = fields.string(row, "system", place, default="")
    messages = [Message("system", system)] if system.strip() else []
    messages += _history(row, place)
    return Row(place, messages=(*messages, Message("user", prompt), Message("assistant", answer)))


def _history(row: dict, place: str) -> list[Message]:
    pairs = row.get("history") or []
    if not isinstance(pairs, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
        for pair in pairs
    ):
        raise DataError(f"{place}: the field 'history' must be a list of [question, answer] pairs.")
    return [Message(role, text) for pair in pairs for role, text in zip(fields.TURNS, pair, strict=True)]


def from_row(row: Row, lost: Callable[[str], None]) -> dict:
    """Raises: DataError for rows of tokens."""
    messages = fields.conversation(row, lost)
    system, turns = fields.system_apart(messages)
    fields.without_pictures(messages, lost)
    found: dict = {"instruction": turns[-2].content, "input": "", "output": turns[-1].content}
    if system:
        found["system"] = system
    pairs = [[turns[i].content, turns[i + 1].content] for i in range(0, len(turns) - 2, 2)]
    return {**found, "history": pairs} if pairs else found
