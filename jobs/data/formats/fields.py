"""Checks that the forms share: each problem becomes one sentence with the place and the field."""

from collections.abc import Callable

from jobs.data.rows import Message, Row
from jobs.protocol.errors import DataError

ROLES = ("system", "user", "assistant")
TURNS = ("user", "assistant")


def string(row: dict, field: str, place: str, default: str | None = None) -> str:
    """A field that must hold text. Raises: DataError."""
    value = row.get(field)
    value = default if value is None else value
    if value is None:
        raise DataError(f"{place}: the field {field!r} is missing.", "missing")
    if not isinstance(value, str):
        raise DataError(f"{place}: the field {field!r} must be text, it is {type(value).__name__}.", "type")
    return value


def filled(row: dict, field: str, place: str) -> str:
    """A field that must hold text other than blanks. Raises: DataError."""
    value = string(row, field, place)
    if not value.strip():
        raise DataError(f"{place}: the field {field!r} is empty.", "empty")
    return value


def in_order(messages: list[Message], place: str) -> tuple[Message, ...]:
    """Messages whose roles stand as system (at most one, first), then user and assistant by turns,
    with the assistant last. Raises: DataError."""
    if not messages:
        raise DataError(f"{place}: the conversation has no messages.", "empty")
    turns = messages[1:] if messages[0].role == "system" else messages
    expected = "user"
    for number, message in enumerate(turns, 1 + len(messages) - len(turns)):
        if message.role not in ROLES:
            raise DataError(
                f"{place}: message {number} has the role {message.role!r}; known roles: {', '.join(ROLES)}.",
                "roles",
            )
        if message.role != expected:
            raise DataError(
                f"{place}: roles out of order: message {number} is from {message.role!r}, "
                f"{expected!r} was expected (system first, then user and assistant by turns).",
                "roles",
            )
        expected = "assistant" if expected == "user" else "user"
    if not turns or turns[-1].role != "assistant":
        raise DataError(
            f"{place}: the last message must be the assistant's answer, which is what is trained.", "roles"
        )
    if not turns[-1].content.strip():
        raise DataError(f"{place}: the assistant's answer is empty.", "empty")
    return tuple(messages)


def conversation(row: Row, lost: Callable[[str], None]) -> tuple[Message, ...]:
    """A row's messages; a plain text is the answer to an empty question. Raises: DataError for tokens."""
    if row.tokens is not None:
        raise DataError(f"{row.place}: token ids are not turned into text; there is no tokenizer here.")
    if row.text is None:
        return row.messages
    lost("that the text answers no question: it stands as the answer to an empty one")
    return Message("user", ""), Message("assistant", row.text)


def system_apart(messages: tuple[Message, ...]) -> tuple[str, tuple[Message, ...]]:
    """(text of the system message or "", the turns)."""
    return (messages[0].content, messages[1:]) if messages[0].role == "system" else ("", messages)


def without_pictures(messages: tuple[Message, ...], lost: Callable[[str], None]) -> None:
    """Tell that pictures go, where there are some."""
    if any(message.pictures for message in messages):
        lost("images")
