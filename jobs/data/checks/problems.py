"""What can be wrong with a row or a file, and what can be done about it."""

from dataclasses import dataclass
from typing import Any

from jobs.protocol.errors import DataError

KINDS: dict[str, str] = {
    "encoding": "not UTF-8 text",
    "json": "broken JSON",
    "number": "NaN or an infinite number, which JSON does not have",
    "long line": "a line too long to be one row",
    "depth": "lists in lists without end",
    "object": "not an object with fields",
    "form": "fields in no known form",
    "mixed": "another form than the first row's",
    "missing": "a field is missing",
    "type": "a field holds something else than it must",
    "empty": "a text that is empty or blank",
    "roles": "roles unknown or out of order",
    "image": "an image is missing, broken, too large or out of its folder",
    "template": "the model's chat template refuses the conversation",
    "row": "another problem of one row",
    "file": "the file cannot be read on",
}
"""Under what bad rows are counted. The last one ends the reading; all others concern one row."""
LONGEST_SHOWN = 2000  # characters of a bad row that are kept; the source still has all of it


@dataclass(frozen=True)
class Problem:
    """One bad row, or the place where a file ends too early."""

    kind: str
    place: str  # "rows.jsonl, line 12"
    text: str  # one sentence that names place and field
    raw: Any = None  # the row as far as it was understood: an object, or the text of its line

    @classmethod
    def of(cls, error: DataError, place: str, raw: Any = None) -> "Problem":
        """What an error says of a row."""
        kind = error.kind if error.kind in KINDS else "row"
        return cls(kind, place, str(error), error.raw if raw is None else raw)

    def error(self) -> DataError:
        """The same as an error to raise."""
        return DataError(self.text, self.kind, self.raw)

    @property
    def ends_the_file(self) -> bool:
        """Whether nothing can be read after it."""
        return self.kind == "file"

    def line(self) -> dict[str, Any]:
        """For the file of bad rows: what is wrong, and the row itself."""
        return {"place": self.place, "kind": self.kind, "problem": self.text, "row": shown(self.raw)}


def shown(raw: Any) -> Any:
    """A bad row as far as it is kept: whole if it is an object, a line cut at LONGEST_SHOWN."""
    if isinstance(raw, bytes):
        raw = raw[: 4 * LONGEST_SHOWN].decode("utf-8", "backslashreplace")
    if isinstance(raw, str) and len(raw) > LONGEST_SHOWN:
        return raw[:LONGEST_SHOWN] + f" ... ({len(raw)} characters)"
    return raw
