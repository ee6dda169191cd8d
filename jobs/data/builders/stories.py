"""Little stories from our own grammar, with and without an instruction.

Rows are conversations: an instructed one asks for a name and a thing, a plain one asks for any story, and in
some the question is empty, so that an empty prompt tells a story too.
"""

import random
from collections.abc import Iterator

from pydantic import Field

from jobs.data.builders import story_grammar as grammar
from jobs.data.builders.story_tables import PLAIN_REQUESTS
from jobs.specs.base import Spec


class Options(Spec):
    """Options of the stories builder."""

    rows: int = Field(20000, ge=1, le=10_000_000)
    """Stories to make."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Same seed, same stories."""
    instructions: float = Field(0.5, ge=0, le=1)
    """Share of rows that ask for a name and a thing; the others ask for any story, or for nothing at all."""


def rows(options: Options) -> Iterator[dict]:
    """Stories as `{"messages": [question, story]}`; the question may be empty."""
    rng = random.Random(options.seed)
    for _ in range(options.rows):
        if rng.random() < options.instructions:
            name, thing = rng.choice(grammar.NAMES), rng.choice(grammar.THINGS)
            request = grammar.instruction(rng, name, thing)
            story = grammar.generate(rng, name, thing)
        else:
            request = rng.choice(("", *PLAIN_REQUESTS))
            story = grammar.generate(rng)
        question = {"role": "user", "content": request}
        yield {"messages": [question, {"role": "assistant", "content": story}]}
