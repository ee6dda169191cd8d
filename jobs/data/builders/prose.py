"""The stories of our own grammar as plain text: nobody asks for them."""

import random
from collections.abc import Iterator

from pydantic import Field

from jobs.data.builders import story_grammar as grammar
from jobs.specs.base import Spec


class Options(Spec):
    """Options of the prose builder."""

    rows: int = Field(20000, ge=1, le=10_000_000)
    """Stories to make."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Same seed, same stories."""


def rows(options: Options) -> Iterator[dict]:
    """Stories as `{"text": ...}`."""
    rng = random.Random(options.seed)
    for _ in range(options.rows):
        yield {"text": grammar.generate(rng)}
