"""Python code: the standard library of the Python that runs this, under the licence of the PSF."""

import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from jobs.protocol.errors import DataError
from jobs.specs.base import Spec

NOTICE = "Code of the Python standard library, Copyright Python Software Foundation, under the PSF licence."
LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__", "lib2to3"}


class Options(Spec):
    """Options of the python_code builder."""

    path: str = ""
    """Folder with .py files; empty: the standard library."""
    limit: int | None = Field(None, ge=1)
    """Use at most this many files."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Order of the files."""
    longest: int = Field(200_000, ge=1)
    """Leave out files with more characters."""


def rows(options: Options) -> Iterator[dict]:
    """Files as `{"text": ...}`. Raises: DataError where there are none."""
    folder = Path(options.path or sysconfig.get_paths()["stdlib"])
    files = [p for p in sorted(folder.rglob("*.py")) if not LEFT_OUT & set(p.relative_to(folder).parts)]
    if not files:
        raise DataError(f"{folder} has no Python files; set options.path to a folder that has some.")
    random.Random(options.seed).shuffle(files)
    given = 0
    for path in files:
        text = path.read_text(encoding="utf-8", errors="replace")
        if not text.strip() or len(text) > options.longest or "\ufffd" in text:
            continue
        yield {"text": text}
        given += 1
        if given == options.limit:
            return
