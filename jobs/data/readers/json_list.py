"""A JSON list of objects, read an object at a time."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from jobs.data.readers.jsonl import no_object
from jobs.data.readers.opening import opened_text
from jobs.protocol.errors import DataError

PIECE = 2**20  # characters read at a time
LONGEST = 2**28  # a row with more characters is taken for a broken one
BLANK = " \t\r\n"


def read(path: Path, broken: Callable[[DataError], None]) -> Iterator[tuple[str, dict]]:
    """The list's objects. Raises: DataError where it is no list, or its JSON is broken: nobody can tell where
    the next row would begin."""
    with opened_text(path) as file:
        window = _Window(file, path.name)
        first = window.peek()
        if not first:
            return
        if first != "[":
            value = window.value()
            if window.peek():
                raise window.error("Extra data", " One object a line is JSONL: name the file .jsonl.")
            raise DataError(
                f"{path.name}: a .json file of rows is a list [...], this is {type(value).__name__}."
            )
        window.skip()
        number = 0
        while window.peek() != "]":
            if number:
                window.expect(",")
            row = window.value()
            number += 1
            place = f"{path.name}, row {number}"
            if window.no_number:
                broken(
                    DataError(
                        f"{place}: {window.no_number} is no number of JSON; leave it out.", "number", row
                    )
                )
            elif isinstance(row, dict):
                yield place, row
            else:
                broken(no_object(row, place))
        window.skip()
        if window.peek():
            raise window.error("Extra data", "")


class _Window:
    """A piece of a text that moves on; knows the line it is at."""

    def __init__(self, file, name: str):
        self.file, self.name = file, name
        self.text, self.at, self.line = "", 0, 1
        self.whole = False  # whether the text reaches to the end of the file
        self.no_number = ""  # NaN or Infinity, where the last value holds one
        self.decode = json.JSONDecoder(parse_constant=self._found_no_number).raw_decode

    def peek(self) -> str:
        """The next character that is no blank, "" at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in BLANK:
                self.at += 1
            if self.at < len(self.text) or self.whole:
                return self.text[self.at : self.at + 1]
            self._more(PIECE)

    def skip(self) -> None:
        self.at += 1

    def expect(self, character: str) -> None:
        """Raises: DataError where another character stands there."""
        if self.peek() != character:
            raise self.error(f"Expecting {character!r} delimiter", "")
        self.skip()

    def value(self) -> object:
        """The next value. Raises: DataError."""
        self.peek()
        size = PIECE
        while True:
            self.no_number = ""
            try:
                value, end = self.decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if self.whole or len(self.text) - self.at > LONGEST:
                    self.at = error.pos
                    raise self.error(error.msg, "") from None
            except RecursionError:
                raise self.error("too deeply nested", "") from None
            else:
                if end < len(self.text) or self.whole:  # a number may go on in the next piece
                    self.at = end
                    return value
            self._more(size)
            size *= 2

    def error(self, what: str, hint: str) -> DataError:
        """An error at this line."""
        line = self.line + self.text.count("\n", 0, self.at)
        return DataError(f"{self.name}, line {line}: broken JSON: {what}.{hint}")

    def _found_no_number(self, word: str) -> None:
        self.no_number = word

    def _more(self, size: int) -> None:
        self.line += self.text.count("\n", 0, self.at)
        piece = self.file.read(size)
        self.text, self.at = self.text[self.at :] + piece, 0
        self.whole = not piece
