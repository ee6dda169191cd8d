"""What can be asked of the process that looks at data. ASKS is the list of names.

The page, the API and the command line send the same objects; jobs.programs.inspecting answers them.
"""

from typing import Any, Literal

from pydantic import Field

from jobs.protocol.errors import SpecError
from jobs.specs.base import Spec
from jobs.specs.data import DataSpec
from jobs.specs.job import ModelSpec
from jobs.specs.objective import ObjectiveSpec

MOST_ROWS = 100  # of one answer


class CheckAsk(Spec):
    """Read every row and say what is wrong. Answered at once with how far it is; ask again."""

    op: Literal["check"] = "check"
    data: DataSpec
    """What to read."""


class StatisticsAsk(Spec):
    """Lengths, prompts, repeats, scripts, special tokens. Answered at once with how far it is; ask again."""

    op: Literal["statistics"] = "statistics"
    data: DataSpec
    """What to read; `max_length` is the length at which rows count as cut."""
    model: ModelSpec
    """Whose tokenizer counts."""


class PreviewAsk(Spec):
    """Rows as the model will see them at one noise level."""

    op: Literal["preview"] = "preview"
    data: DataSpec
    """What to read."""
    model: ModelSpec
    """Whose tokenizer, mask token and alignment."""
    objective: ObjectiveSpec | None = None
    """None: the one that the model was trained with."""
    level: float = Field(default=0.5, ge=0, le=1)
    """Share of the maskable tokens that is masked, or the nearest that the objective draws."""
    rows: int = Field(default=4, ge=1, le=32)
    """Sequences to show."""
    first: int = Field(default=0, ge=0)
    """Rows to pass over."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Same seed, same masks; a higher level keeps those of a lower one."""
    step: int | None = Field(default=None, ge=0)
    """For objectives whose attention opens while they train: the step of it. None: all open."""


class RowsAsk(Spec):
    """A page of rows: as they stand, as text with the chat template, as tokens."""

    op: Literal["rows"] = "rows"
    data: DataSpec
    """What to read."""
    model: ModelSpec | None = None
    """Whose template and tokenizer; None: rows as they stand alone."""
    search: str = Field(default="", max_length=200)
    """Only rows that hold these letters, capital or small."""
    bad: bool = False
    """Only bad rows."""
    first: int = Field(default=0, ge=0)
    """Found rows to pass over."""
    rows: int = Field(default=10, ge=1, le=MOST_ROWS)
    """Rows of a page."""


class VersionAsk(Spec):
    """Write a new file with some rows changed or left out. The source is never changed."""

    op: Literal["version"] = "version"
    data: DataSpec
    """The source."""
    edits: dict[int, dict[str, Any]] = Field(default_factory=dict)
    """Number of a row, from 0 -> the row that stands in its place."""
    excluded: list[int] = Field(default_factory=list)
    """Numbers of rows to leave out."""
    target: str
    """The new file, .jsonl."""
    note: str = Field(default="", max_length=500)
    """Why, for the list of versions."""


Ask = CheckAsk | StatisticsAsk | PreviewAsk | RowsAsk | VersionAsk
ASKS: dict[str, type[Spec]] = {
    "check": CheckAsk,
    "statistics": StatisticsAsk,
    "preview": PreviewAsk,
    "rows": RowsAsk,
    "version": VersionAsk,
}


def parse_ask(words: dict[str, Any]) -> Any:
    """A request as one of ASKS. Raises: SpecError."""
    op = words.get("op")
    if op not in ASKS:
        raise SpecError(f"Unknown op {op!r}; known: {', '.join(ASKS)}.")
    return ASKS[op].parse(words, where=str(op))
