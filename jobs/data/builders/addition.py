"""Sums, a character a token: `012+345=0357`."""

import random
from collections.abc import Iterator

from pydantic import Field

from jobs.specs.base import Spec


class Options(Spec):
    """Options of the addition builder."""

    rows: int = Field(20000, ge=1, le=10_000_000)
    """Sums to make."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Same seed, same sums."""
    digits: int = Field(3, ge=1, le=50)
    """Digits of each number, filled with zeros from the left; the sum has one more."""


def rows(options: Options) -> Iterator[dict]:
    """Sums as `{"text": "012+345=0357"}`."""
    rng, n = random.Random(options.seed), options.digits
    for _ in range(options.rows):
        a, b = rng.randrange(10**n), rng.randrange(10**n)
        yield {"text": f"{a:0{n}}+{b:0{n}}={a + b:0{n + 1}}"}
