"""Sudoku grids of 4x4, 6x6 and 9x9 cells, and puzzles with exactly one solution.

A row of training data is a solved grid as one string, a character a cell, row by row. A masked diffusion
model needs no puzzles to learn from: masking does the digging. `puzzle` makes the held-out test items.
"""

import random
from collections.abc import Iterator
from functools import cache
from typing import Literal

from pydantic import Field

from jobs.protocol.errors import DataError
from jobs.specs.base import Spec

BLANK = "."
BOXES: dict[int, tuple[int, int]] = {4: (2, 2), 6: (2, 3), 9: (3, 3)}
"""Rows and columns of a box, by size of the grid."""
COPIES_OF_A_GRID = 8
"""A freshly filled grid yields this many rows, each shuffled by symmetries of sudoku."""


class Options(Spec):
    """Options of the sudoku builder."""

    size: Literal[4, 6, 9] = 9
    """Cells along a side."""
    rows: int = Field(20000, ge=1, le=10_000_000)
    """Solved grids to make."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Same seed, same grids."""


def rows(options: Options) -> Iterator[dict]:
    """Solved grids as `{"text": "5346..."}`."""
    rng = random.Random(options.seed)
    base = ""
    for number in range(options.rows):
        if number % COPIES_OF_A_GRID == 0:
            base = filled(rng, options.size)
        yield {"text": shuffled(rng, base)}


def puzzle(seed: int, size: int = 9, blanks: int = 45) -> tuple[str, str]:
    """A puzzle (`.` is a blank) and its only solution.

    Raises: DataError where so many blanks leave no single solution.
    """
    rng = random.Random(f"puzzle {seed} {size} {blanks}")
    for _attempt in range(50):
        solution = filled(rng, size)
        cells = list(solution)
        left = blanks
        for place in rng.sample(range(size * size), size * size):
            if left == 0:
                break
            cells[place] = BLANK
            if count_solutions("".join(cells), size, at_most=2) == 1:
                left -= 1
            else:
                cells[place] = solution[place]
        if left == 0:
            return "".join(cells), solution
    raise DataError(
        f"no {size}x{size} sudoku with {blanks} blanks and one solution was found; ask for fewer."
    )


def is_solved(text: str, size: int) -> bool:
    """Whether every row, column and box holds every digit once."""
    want = set("123456789"[:size])
    return len(text) == size * size and all({text[i] for i in unit} == want for unit in _units(size))


def filled(rng: random.Random, size: int) -> str:
    """A random solved grid."""
    for values in _solutions([0] * (size * size), size, rng):
        return "".join(map(str, values))
    raise AssertionError("an empty grid always has a solution")


def count_solutions(text: str, size: int, at_most: int) -> int:
    """How many solutions a puzzle has; counting ends at `at_most`."""
    values = [0 if c == BLANK else int(c) for c in text]
    found = 0
    for _ in _solutions(values, size, None):
        found += 1
        if found == at_most:
            break
    return found


def shuffled(rng: random.Random, text: str) -> str:
    """The grid with its digits renamed and its bands, rows, stacks and columns permuted."""
    size = round(len(text) ** 0.5)
    box_rows, box_columns = BOXES[size]
    row_order = _line_order(rng, size, box_rows)
    column_order = _line_order(rng, size, box_columns)
    digits = "123456789"[:size]
    names = str.maketrans(digits, "".join(rng.sample(digits, size)))
    return "".join(text[r * size + c] for r in row_order for c in column_order).translate(names)


def _line_order(rng: random.Random, size: int, group: int) -> list[int]:
    groups = rng.sample(range(size // group), size // group)
    return [g * group + i for g in groups for i in rng.sample(range(group), group)]


@cache
def _units(size: int) -> tuple[tuple[int, ...], ...]:
    """The cells of every row, column and box."""
    box_rows, box_columns = BOXES[size]
    of: dict[tuple[str, int], list[int]] = {}
    for cell in range(size * size):
        row, column = divmod(cell, size)
        box = row // box_rows * (size // box_columns) + column // box_columns
        for unit in (("row", row), ("column", column), ("box", box)):
            of.setdefault(unit, []).append(cell)
    return tuple(tuple(cells) for cells in of.values())


@cache
def _peers(size: int) -> tuple[tuple[int, ...], ...]:
    """For every cell, the other cells that may not hold its digit."""
    return tuple(
        tuple(sorted({other for unit in _units(size) if cell in unit for other in unit} - {cell}))
        for cell in range(size * size)
    )


def _solutions(values: list[int], size: int, rng: random.Random | None) -> Iterator[list[int]]:
    """Every completion of the grid, always branching on the cell with the fewest digits left.

    With `rng` the digits are tried in random order; without it from small to large.
    """
    peers = _peers(size)
    options = [(1 << size) - 1] * (size * size)  # bit d - 1: digit d is still possible
    values = list(values)
    open_cells = {cell for cell, value in enumerate(values) if value == 0}

    def place(cell: int, digit: int) -> list[int]:
        """Write a digit; the peers that lose it as an option are returned for taking it back."""
        bit = 1 << (digit - 1)
        values[cell] = digit
        open_cells.discard(cell)
        touched = [peer for peer in peers[cell] if options[peer] & bit]
        for peer in touched:
            options[peer] ^= bit
        return touched

    for cell, value in enumerate(values):
        if value:
            if not options[cell] >> (value - 1) & 1:
                return  # two equal givens in one unit
            place(cell, value)

    def search() -> Iterator[list[int]]:
        if not open_cells:
            yield list(values)
            return
        cell = min(open_cells, key=lambda c: (options[c].bit_count(), c))
        digits = [d for d in range(1, size + 1) if options[cell] >> (d - 1) & 1]
        if rng is not None:
            rng.shuffle(digits)
        for digit in digits:
            touched = place(cell, digit)
            yield from search()
            for peer in touched:
                options[peer] |= 1 << (digit - 1)
            values[cell] = 0
            open_cells.add(cell)

    yield from search()
