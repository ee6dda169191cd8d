"""Builders make training rows by code. BUILDERS is the list of names.

To add one: a file here with `class Options(Spec)` and `def rows(options) -> Iterator[dict]`, and a line
in BUILDERS. A row is {"text": ...} or {"messages": [{"role": ..., "content": ...}, ...]}. The same
options give the same rows.
"""

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from jobs.data.builders import (
    addition,
    arithmetic,
    countdown,
    gsm8k,
    prose,
    python_code,
    speeches,
    stories,
    sudoku,
    web_shards,
    wordnet,
)
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
    "addition": Builder(addition.Options, addition.rows, "Sums of two numbers, a character a token", "text"),
    "countdown": Builder(
        countdown.Options,
        countdown.rows,
        "Numbers to combine so that a given one comes out, with the way there",
        "messages",
    ),
    "gsm8k": Builder(
        gsm8k.Options,
        gsm8k.rows,
        "School problems with worked answers, from the files of GSM8K",
        "messages",
        gsm8k.NOTICE,
    ),
    "web_shards": Builder(
        web_shards.Options, web_shards.rows, "Web pages from a folder of shards, shaped like FineWeb", "text"
    ),
    "speeches": Builder(
        speeches.Options,
        speeches.rows,
        "State of the Union addresses, paragraph by paragraph",
        "text",
        speeches.NOTICE,
    ),
    "python_code": Builder(
        python_code.Options,
        python_code.rows,
        "Python code: the standard library, a file a text",
        "text",
        python_code.NOTICE,
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
