"""Little word problems with a worked answer, in the shape of GSM8K (Cobbe et al. 2021, arXiv 2110.14168).

A calculation a line, then `#### ` and the result. All sentences and numbers are our own; GSM8K itself is on
the Hub as openai/gsm8k.
"""

import random
from collections.abc import Iterator

from pydantic import Field

from jobs.specs.base import Spec

NAMES = ("Mia", "Tom", "Ada", "Ben", "Eva", "Leo")
THINGS = ("apples", "cards", "pens", "shells", "coins", "books")


class Options(Spec):
    """Options of the arithmetic builder."""

    rows: int = Field(20000, ge=1, le=10_000_000)
    """Problems to make."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Same seed, same problems."""
    largest: int = Field(20, ge=2, le=9999)
    """Largest number in a question."""
    calculations: int = Field(2, ge=1, le=4)
    """Calculations in an answer, at most."""


def rows(options: Options) -> Iterator[dict]:
    """Problems as `{"messages": [question, worked answer]}`."""
    rng = random.Random(options.seed)
    for _ in range(options.rows):
        question, answer = problem(rng, options.largest, rng.randint(1, options.calculations))
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        yield {"messages": turns}


def problem(rng: random.Random, largest: int, calculations: int) -> tuple[str, str]:
    """(question, worked answer) with so many calculations."""
    name, thing, number = rng.choice(NAMES), rng.choice(THINGS), rng.randint(1, largest)
    told, lines = [f"{name} has {number} {thing}"], []
    for _ in range(calculations):
        loses = number > 1 and rng.random() < 0.5
        change = rng.randint(1, min(number, largest) if loses else largest)
        told.append(f"{'gives away' if loses else 'gets'} {change}")
        before, number = number, number - change if loses else number + change
        lines.append(f"{before} {'-' if loses else '+'} {change} = {number}")
    question = f"{', '.join(told)}. How many {thing} are there?"
    return question, "\n".join([*lines, f"#### {number}"])
