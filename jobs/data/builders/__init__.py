"""Builders make training rows by code. BUILDERS is the list of names.

To add one: a file here with `class Options(Spec)` and `def rows(options) -> Iterator[dict]`, and a line
in BUILDERS. A row is {"text": ...} or {"messages": [{"role": ..., "content": ...}, ...]}. The same
options give the same rows.
"""

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from jobs.data.builders import arithmetic, prose, stories, sudoku, wordnet
from jobs.protocol.errors import SpecError
from jobs.specs.base import Spec


@dataclass(frozen=True)
class Builder:
    """What makes rows, and what is to know about them."""

    options: type[Spec]
    rows: Callable[[Any], Iterator[dict]]
    description: str
    format: Literal["text", "messages"]
    notice: str = ""
    """A licence notice that belongs into the card of what is made from the rows."""


BUILDERS: dict[str, Builder] = {
    "stories": Builder(
        stories.Options, stories.rows, "Little stories from a grammar, half of them on request", "messages"
    ),
    "prose": Builder(
        prose.Options, prose.rows, "The same stories as plain text, nobody asks for them", "text"
    ),
    "arithmetic": Builder(
        arithmetic.Options,
        arithmetic.rows,
        "Word problems with a worked answer, shaped like GSM8K",
        "messages",
    ),
    "sudoku": Builder(sudoku.Options, sudoku.rows, "Solved sudoku grids, a character a cell", "text"),
    "wordnet": Builder(
        wordnet.Options, wordnet.rows, "Definitions of English nouns", "messages", wordnet.NOTICE
    ),
}


def build(name: str, options: dict[str, Any]) -> Iterator[dict]:
    """The rows of a builder.

    Raises: SpecError for an unknown name or option; DataError where a builder's source is missing.
    """
    builder = BUILDERS.get(name)
    if builder is None:
        near = difflib.get_close_matches(name, BUILDERS, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Builders: {', '.join(BUILDERS)}."
        raise SpecError(f"there is no builder {name!r}. {hint}")
    return builder.rows(builder.options.parse(options, where=f"data.options of the builder {name}"))
