"""Where a job's rows come from, and how they become sequences."""

from typing import Any, Literal

from pydantic import Field, model_validator

from jobs.specs.base import Spec


class DataSpec(Spec):
    """Training data: a file, or rows made by one of our builders."""

    path: str | None = None
    """JSONL, JSON or text file, or the name of a listed dataset."""
    builder: str | None = None
    """Instead of a file: make the rows (stories, sudoku, wordnet ...)."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of the builder."""
    format: Literal["auto", "messages", "text"] = "auto"
    """messages: conversations, the prompt is never masked. text: plain text, everything may be masked."""
    max_length: int = Field(default=256, ge=2, le=131072)
    """Longest sequence in tokens."""
    packing: bool = True
    """Text only: join texts and cut them into full sequences; off: one text, one sequence."""
    append_eos: bool = True
    """End every text with the end-of-text token."""
    validation: float = Field(default=0.02, ge=0, lt=0.9)
    """Share of rows held out, chosen by hash so that it never leaks between runs."""
    limit: int | None = Field(default=None, ge=1)
    """Use at most this many rows."""

    @model_validator(mode="after")
    def _one_source(self) -> "DataSpec":
        if (self.path is None) == (self.builder is None):
            raise ValueError("give either path (a file or dataset name) or builder, not both")
        if self.options and self.builder is None:
            raise ValueError("options belong to a builder; there is none")
        return self
