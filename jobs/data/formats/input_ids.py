"""{"input_ids": [...], "prompt_length": 12} or {"input_ids": [...], "labels": [-100, ..., 17, 4]}

Tokens that are made already. The first `prompt_length` are given and never masked; `labels` says the same
with -100 there. With neither, the tokens are a plain text.
"""

from collections.abc import Callable, Container

from jobs.data.rows import Row
from jobs.protocol.errors import DataError

FIELDS = '{"input_ids", "prompt_length" or "labels" (may be left out)}'
NOTE = "token ids; what follows the prompt is trained"
IGNORED = -100  # the label of a token that is not trained (torch.nn.CrossEntropyLoss, ignore_index)


def detect(given: Container[str]) -> bool:
    return "input_ids" in given


def to_row(row: dict, place: str) -> Row:
    """Raises: DataError."""
    ids = _numbers(row, "input_ids", place)
    if not ids or min(ids) < 0:
        raise DataError(f"{place}: the field 'input_ids' must be a list of token ids, with at least one.")
    length = _labelled(row, ids, place) if row.get("labels") is not None else row.get("prompt_length")
    if length is None:
        return Row(place, tokens=ids)
    if not isinstance(length, int) or isinstance(length, bool) or not 0 <= length < len(ids):
        raise DataError(
            f"{place}: the field 'prompt_length' must be a number from 0 to {len(ids) - 1}, "
            "so that at least one token is trained."
        )
    return Row(place, tokens=ids, prompt_length=length)


def from_row(row: Row, lost: Callable[[str], None]) -> dict:
    """Raises: DataError for rows that are no tokens yet."""
    if row.tokens is None:
        raise DataError(f"{row.place}: making token ids needs a tokenizer; `studio prepare` does it.")
    found: dict = {"input_ids": list(row.tokens)}
    return found if row.prompt_length is None else {**found, "prompt_length": row.prompt_length}


def _numbers(row: dict, field: str, place: str) -> tuple[int, ...]:
    given = row.get(field)
    if not isinstance(given, list) or not all(type(number) is int for number in given):
        raise DataError(f"{place}: the field {field!r} must be a list of whole numbers.")
    return tuple(given)


def _labelled(row: dict, ids: tuple[int, ...], place: str) -> int:
    """The length of the prompt that the labels mark. Raises: DataError where they mark something else."""
    labels = _numbers(row, "labels", place)
    start = next((i for i, label in enumerate(labels) if label != IGNORED), len(labels))
    if labels[start:] != ids[start:] or start == len(ids):
        raise DataError(
            f"{place}: 'labels' must be {IGNORED} at the beginning and equal to 'input_ids' from there on; "
            "other patterns are not read."
        )
    if row.get("prompt_length") not in (None, start):
        raise DataError(f"{place}: 'labels' leave out {start} tokens, 'prompt_length' says otherwise.")
    return start
