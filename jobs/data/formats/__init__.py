"""The forms that a row may have. One file each: `FIELDS`, `NOTE`, `detect(row)`, `to_row(row, place)`.

To add one, write a file of that shape and name it in FORMATS. The order is the order of detection.
"""

from types import ModuleType

from jobs.data.formats import alpaca, conversations, messages, prompt_completion, text
from jobs.data.rows import Row
from jobs.protocol.errors import DataError

FORMATS: dict[str, ModuleType] = {
    "messages": messages,
    "conversations": conversations,
    "prompt_completion": prompt_completion,
    "alpaca": alpaca,
    "text": text,
}


def detect(row: dict, place: str) -> str:
    """The name of the form that a row has.

    Raises: DataError that lists the known forms.
    """
    for name, form in FORMATS.items():
        if form.detect(row):
            return name
    known = "; ".join(form.FIELDS for form in FORMATS.values())
    raise DataError(
        f"{place}: the fields {', '.join(map(repr, row)) or '(none)'} are in no known form. Known: {known}."
    )


def to_row(name: str, row: object, place: str) -> Row:
    """One row in the studio's own form.

    Raises: DataError naming the place and the field.
    """
    if not isinstance(row, dict):
        raise DataError(f"{place}: a row is an object with fields, this is {type(row).__name__}.")
    return FORMATS[name].to_row(row, place)
