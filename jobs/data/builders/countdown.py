"""Countdown: reach a number with each of some others used once, by + - * and / without remainder.

The puzzle is that of Gandhi et al. 2024 (Stream of Search, arXiv 2404.03683). Here it is made backwards: the
numbers are combined at random, and what comes out is what is asked for, so that every puzzle has a solution.
"""

import random
from collections.abc import Iterator

from pydantic import Field

from jobs.specs.base import Spec


class Options(Spec):
    """Options of the countdown builder."""

    rows: int = Field(20000, ge=1, le=10_000_000)
    """Puzzles to make."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Same seed, same puzzles."""
    numbers: int = Field(4, ge=2, le=8)
    """Numbers that are given."""
    largest: int = Field(100, ge=2, le=10_000)
    """Largest number given, and largest on the way."""


def rows(options: Options) -> Iterator[dict]:
    """Puzzles as `{"messages": ["3 5 20 = 35", the calculations, one a line]}`."""
    rng = random.Random(options.seed)
    for _ in range(options.rows):
        given = [rng.randint(1, options.largest) for _ in range(options.numbers)]
        lines, target = combine(given, rng, options.largest)
        yield {
            "messages": [
                {"role": "user", "content": f"{' '.join(map(str, given))} = {target}"},
                {"role": "assistant", "content": "\n".join(lines)},
            ]
        }


def combine(given: list[int], rng: random.Random, largest: int) -> tuple[list[str], int]:
    """(a calculation a line, what comes out last) for numbers combined two by two."""
    held, lines = list(given), []
    while len(held) > 1:
        rng.shuffle(held)
        a, b = max(held[:2]), min(held[:2])
        results = {"-": a - b}  # never negative, so there is always a way
        if a + b <= largest:
            results["+"] = a + b
        if a * b <= largest:
            results["*"] = a * b
        if b and a % b == 0:
            results["/"] = a // b
        sign = rng.choice(sorted(results))
        lines.append(f"{a} {sign} {b} = {results[sign]}")
        held = [results[sign], *held[2:]]
    return lines, held[0]
