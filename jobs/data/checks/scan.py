"""A source as rows and problems, in order: rows read = rows given + problems, whatever is in the file."""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobs.data import formats, images
from jobs.data.checks.problems import Problem
from jobs.data.files import read_file
from jobs.data.rows import Row
from jobs.protocol.errors import DataError

MOST_IN_A_ROW = 100_000  # bad rows without a good one between them that are held in memory
HALF = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Found:
    """One row of a source."""

    place: str
    raw: Any
    """As it stands there."""
    row: Row | None = None
    """In the studio's own form."""
    problem: Problem | None = None
    """Or why not."""
    form: str = ""
    """The form of its row: a name of formats.FORMATS."""


def scan(path: Path, pictures: bool = True) -> Iterator[Found]:
    """Every row of a file. `pictures`: look at the files of images too (their headers only).

    Raises: DataError for a file that cannot even be begun: missing, a folder, an unknown kind, empty.
    """
    folder = path.resolve().parent
    for count, found in enumerate(scanned(_located(path), folder, pictures)):
        if count == 0 and found.problem is not None and found.problem.ends_the_file:
            raise found.problem.error()
        yield found


def scanned(
    located: Iterator[tuple[str, dict | Problem]], folder: Path | None, pictures: bool
) -> Iterator[Found]:
    """The same for rows that were read elsewhere. `folder` is where images are looked for."""
    form = ""
    for place, given in located:
        if isinstance(given, Problem):
            yield Found(place, given.raw, problem=given)
            continue
        try:
            own = formats.detect(given, place)
            form = form or own
            if own != form:
                raise DataError(
                    f"{place}: this row is {own}, the first one was {form}; keep one form in a file.", "mixed"
                )
            row = formats.to_row(form, given, place)
            row = replace(row, folder=folder) if row.pictures else row
            _can_be_written(row)
            if pictures:
                _look_at_pictures(row)
        except DataError as error:
            yield Found(place, given, problem=Problem.of(error, place, given), form=form)
        except RecursionError:
            text = f"{place}: lists or objects in each other without end."
            yield Found(place, given, problem=Problem("depth", place, text), form=form)
        else:
            yield Found(place, given, row=row, form=form)


def _can_be_written(row: Row) -> None:
    """Raises: DataError for half characters, which JSON can spell and no tokenizer can read."""
    for text in texts(row):
        if HALF.search(text):
            raise DataError(
                f"{row.place}: half a character (a lone surrogate), which is no text.", "encoding"
            )


def texts(row: Row) -> list[str]:
    """What a row says: its text, or the content of each message; nothing where it is token ids."""
    return [row.text] if row.text is not None else [message.content for message in row.messages]


def _look_at_pictures(row: Row) -> None:
    """Raises: DataError for an image that is missing, out of its folder, broken or hostile."""
    for picture in row.pictures:
        try:
            images.size(images.find(picture, row.folder, row.place), row.place)
        except DataError as error:
            raise DataError(str(error), "image") from None


def _located(path: Path) -> Iterator[tuple[str, dict | Problem]]:
    """What the readers give, with what they leave out where it stood."""
    left_out: deque[DataError] = deque()

    def told(error: DataError) -> None:
        left_out.append(error)
        if len(left_out) > MOST_IN_A_ROW:
            raise DataError(f"{path.name}: {MOST_IN_A_ROW} bad rows on end; is this a file of rows?", "file")

    def problems() -> Iterator[tuple[str, Problem]]:
        while left_out:
            error = left_out.popleft()
            yield path.name, Problem.of(error, str(error).split(": ", 1)[0])  # sentences begin with the place

    try:
        for place, row in read_file(path, told):
            yield from problems()
            yield place, row
    except DataError as error:
        yield from problems()  # what follows an error that was raised is not read, and that is said
        yield path.name, Problem("file", path.name, str(error))
    except (RecursionError, ValueError) as error:  # also numbers with thousands of digits
        yield from problems()
        why = "lists or objects in each other without end" if isinstance(error, RecursionError) else error
        yield path.name, Problem("file", path.name, f"{path.name}: {why}.")
    else:
        yield from problems()
