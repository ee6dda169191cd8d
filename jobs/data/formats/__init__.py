"""The forms that a row may have. One file each: `FIELDS`, `NOTE`, `detect(fields)`, `to_row(row, place)` and
`from_row(row, lost)`, which writes a row in this form and tells `lost` what the form has no room for.

To add one, write a file of that shape and name it in FORMATS. The order is the order of detection.
"""

from types import ModuleType

from jobs.data.formats import alpaca, conversations, input_ids, messages, prompt_completion, text
from jobs.data.rows import Row
from jobs.protocol.errors import DataError

FORMATS: dict[str, ModuleType] = {
    "messages": messages,
    "conversations": conversations,
    "prompt_completion": prompt_completion,
    "alpaca": alpaca,
    "input_ids": input_ids,
    "text": text,
}


def detect(row: dict, place: str) -> str:
    """The name of the form that a row has.

    Raises: DataError that lists the known forms.
    """
    filled = {field for field, value in row.items() if value is not None}
    for name, form in FORMATS.items():
        if form.detect(filled):
            return name
    known = "; ".join(form.FIELDS for form in FORMATS.values())
    raise DataError(
        f"{place}: the fields {', '.join(map(repr, row)) or '(none)'} are in no known form. Known: {known}. "
        "data.columns gives columns other names: {prompt: question}.",
        "form",
    )


def to_row(name: str, row: object, place: str) -> Row:
    """One row in the studio's own form.

    Raises: DataError naming the place and the field.
    """
    if not isinstance(row, dict):
        raise DataError(f"{place}: a row is an object with fields, this is {type(row).__name__}.")
    return FORMATS[name].to_row(row, place)


def used_fields(name: str, row: dict) -> tuple[list[str], list[str]]:
    """(fields of a row that a form reads, fields that it leaves alone)."""
    read = (*_names(FORMATS[name].FIELDS), *(("images",) if name == "messages" else ()))
    return [field for field in row if field in read], [field for field in row if field not in read]


def _names(fields: str) -> list[str]:
    return fields.split('"')[1::2]


def renamed(row: dict, columns: dict[str, str], place: str) -> dict:
    """A row whose fields have our names. `columns`: our name -> the column's name; other fields stay.

    Raises: DataError where a column is missing.
    """
    missing = [name for name in columns.values() if name not in row]
    if missing:
        raise DataError(
            f"{place}: data.columns reads {missing[0]!r}, but the row has {', '.join(map(repr, row))}."
        )
    kept = {name: value for name, value in row.items() if name not in columns.values()}
    return {**kept, **{ours: row[theirs] for ours, theirs in columns.items()}}
