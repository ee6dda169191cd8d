"""SDAR's sampler."""

from typing import Literal

from pydantic import Field, model_validator

from jobs.specs.samplers.blocks import DrawnBlockOptions


class SDARSampler(DrawnBlockOptions):
    """SDAR's sampler for block models, with four ways to choose what a pass writes.
    Source: JetAstra/SDAR generate.py."""

    name: Literal["sdar"] = "sdar"
    remasking: Literal["low_confidence_dynamic", "low_confidence_static", "sequential", "entropy_bounded"] = (
        "low_confidence_dynamic"
    )
    """low_confidence_static: the surest, as many as are due. low_confidence_dynamic: all above the threshold,
    if as many as are due. sequential: from left to right. entropy_bounded: the clearest, as long as their
    doubts add up to less than eb_threshold."""
    steps_per_block: int | None = Field(default=None, ge=1, le=8192)
    """Most forward passes on a block, which say how many tokens are due in each; none: one a token."""
    threshold: float = Field(default=0.85, ge=0, le=1)
    """Of low_confidence_dynamic: every token that is likelier than this is written at once."""
    eb_threshold: float = Field(default=0.35, ge=0, le=1000)
    """Of entropy_bounded: the sum of entropies in nats that the tokens of a pass stay below. The clearest is
    written in any case."""
    temperature: float = Field(default=1.0, ge=0, le=5)
    """0 always takes the likeliest token; higher is more varied."""

    @model_validator(mode="after")
    def _nothing_due(self) -> "SDARSampler":
        if self.remasking == "entropy_bounded" and self.steps_per_block is not None:
            raise ValueError(
                "steps_per_block has no part in entropy_bounded, which takes as many passes as it needs; "
                "leave it out, or choose another remasking"
            )
        return self
