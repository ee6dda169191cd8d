"""BD3-LM's sampler."""

from typing import Literal

from pydantic import Field, model_validator

from jobs.specs.samplers.blocks import BlockOptions


class BD3LMSampler(BlockOptions):
    """BD3-LM's sampler: block by block, where chance says so, with tokens drawn as the model has them.
    Source: kuleshov-group/bd3lms diffusion.py, _semi_ar_sampler."""

    name: Literal["bd3lm"] = "bd3lm"
    first_hitting: bool = True
    """One token a pass, in random order: what infinitely many steps would give."""
    steps_per_block: int | None = Field(default=None, ge=1, le=1_000_000)
    """Without first_hitting: steps from noise to text; none: 5000, as published. Those in which nothing is
    revealed cost nothing."""
    nucleus_p: float = Field(default=1.0, gt=0, le=1)
    """Only the likeliest tokens that together have at most this probability, and the first in any case."""
    var_length: bool = False
    """End a text that repeats itself: where the entropy of its last 256 tokens is below 4 nats."""

    @model_validator(mode="after")
    def _steps_have_a_part(self) -> "BD3LMSampler":
        if self.first_hitting and self.steps_per_block is not None:
            raise ValueError(
                "steps_per_block has no part in first_hitting, which takes one pass a token; leave it out, "
                "or turn first_hitting off"
            )
        return self
