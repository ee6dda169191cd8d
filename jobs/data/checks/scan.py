"""A source as rows and problems, in order: rows read = rows given + problems, whatever is in the file."""

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from jobs.data import formats, images
from jobs.data.checks.problems import Problem
from jobs.data.files import read_file
from jobs.data.readers import Broken
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
    held_out: bool = False
    """Whether a slice of the mix keeps it for validation."""


Adapt = Callable[[dict, str], dict]
FormOf = Callable[[dict, str], str]


def scan(path: Path, pictures: bool = True) -> Iterator[Found]:
    """Every row of a file. `pictures`: look at the files of images too (their headers only).

    Raises: DataError for a file that cannot even be begun: missing, a folder, an unknown kind, empty.
    """
    folder = path.resolve().parent
    for count, found in enumerate(scanned(located(partial(read_file, path), path.name), folder, pictures)):
        if count == 0 and found.problem is not None and found.problem.ends_the_file:
            raise found.problem.error()
        yield found


def scanned(
    read: Iterator[tuple[str, dict | Problem]],
    folder: Path | None,
    pictures: bool,
    adapt: Adapt = lambda given, place: given,
    form_of: FormOf | None = None,
) -> Iterator[Found]:
    """The same for rows that were read elsewhere (see `located`).

    `folder` is where images are looked for, `adapt` brings a row into one of our forms, `form_of` says in
    which all rows are; None: in that of the first.
    """
    form_of = form_of or _First()
    form = ""
    for place, given in read:
        if isinstance(given, Problem):
            yield Found(place, given.raw, problem=given)
            continue
        try:
            form, row = _understood(given, place, adapt, form_of)
            row = replace(row, folder=folder) if row.pictures else row
            if pictures:
                _look_at_pictures(row)
        except DataError as error:
            if error.kind == "format":
                raise
            yield Found(place, given, problem=Problem.of(error, place, given), form=form)
        except RecursionError:
            text = f"{place}: lists or objects in each other without end."
            yield Found(place, given, problem=Problem("depth", place, text), form=form)
        else:
            yield Found(place, given, row=row, form=form)


class _First:
    """All rows are in the form of the first one that has any."""

    form = ""

    def __call__(self, given: dict, place: str) -> str:
        self.form = self.form or formats.detect(given, place)
        return self.form


def _understood(given: dict, place: str, adapt: Adapt, form_of: FormOf) -> tuple[str, Row]:
    """(form, row). Raises: DataError."""
    own = adapt(given, place)
    form = form_of(own, place)
    try:
        row = formats.to_row(form, own, place)
    except DataError:
        other = formats.detect(own, place)
        if other == form:
            raise
        raise DataError(
            f"{place}: this row is {other}, the first one was {form}; keep one form in a file.", "mixed"
        ) from None
    _can_be_written(row)
    return form, row


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


def located(
    read: Callable[[Broken], Iterator[tuple[str, dict]]], name: str
) -> Iterator[tuple[str, dict | Problem]]:
    """What a reader gives, with what it leaves out where it stood. `name` is the source's, for people."""
    left_out: deque[DataError] = deque()

    def told(error: DataError) -> None:
        left_out.append(error)
        if len(left_out) > MOST_IN_A_ROW:
            raise DataError(f"{name}: {MOST_IN_A_ROW} bad rows on end; is this a file of rows?", "file")

    def problems() -> Iterator[tuple[str, Problem]]:
        while left_out:
            error = left_out.popleft()
            place = str(error).split(": ", 1)[0]  # sentences begin with it
            yield place, Problem.of(error, place)

    try:
        for place, row in read(told):
            yield from problems()
            yield place, row
    except DataError as error:
        yield from problems()  # what follows an error that was raised is not read, and that is said
        yield name, Problem("file", name, str(error))
    except (RecursionError, ValueError) as error:  # also numbers with thousands of digits
        yield from problems()
        why = "lists or objects in each other without end" if isinstance(error, RecursionError) else error
        yield name, Problem("file", name, f"{name}: {why}.")
    else:
        yield from problems()
