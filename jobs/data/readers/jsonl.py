"""JSON lines: an object a line."""

from collections.abc import Callable, Iterator
from pathlib import Path

from jobs.data.checks.lines import lines
from jobs.data.checks.problems import Problem
from jobs.data.readers.opening import opened
from jobs.protocol.errors import DataError


def read(path: Path, broken: Callable[[DataError], None]) -> Iterator[tuple[str, dict]]:
    """The objects, blank lines left out. Raises: DataError for a broken stream."""
    with opened(path) as file:
        for place, row in lines(file, path.name):
            if isinstance(row, Problem):
                broken(row.error())
            else:
                yield place, row


def no_object(row: object, place: str) -> DataError:
    """The error for a row that is something else than an object."""
    return DataError(f"{place}: a row is an object with fields, this is {type(row).__name__}.", "object", row)
