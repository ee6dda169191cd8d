"""LocalLeap's sampler."""

from typing import Literal

from pydantic import Field, model_validator

from jobs.specs.samplers.base import SamplerOptions


class LocalLeapSampler(SamplerOptions):
    """LocalLeap: around a token that the model is sure of, its neighbours may be less sure.
    Source: Kong et al. 2025, arXiv 2510.07081, and friedrichor/LocalLeap llada/generate.py."""

    name: Literal["local_leap"] = "local_leap"
    block_size: int = Field(default=32, ge=1, le=8192)
    """Tokens of a block; blocks are filled from left to right. The last may be shorter."""
    threshold: float = Field(default=0.9, gt=0, le=1)
    """Write every token of at least this probability, an anchor, and the likeliest in any case."""
    relaxed_threshold: float = Field(default=0.75, gt=0, le=1)
    """What a token near an anchor needs."""
    radius: int = Field(default=4, ge=1, le=8192)
    """How many positions to either side of an anchor are near."""
    use_cache: Literal["none", "prefix", "dual"] = "none"
    """What is read again within a block, as in fast_dllm."""
    temperature: float = Field(default=0.0, ge=0, le=5)
    """0 always takes the likeliest token; higher is more varied."""

    @model_validator(mode="after")
    def _relaxed(self) -> "LocalLeapSampler":
        if self.relaxed_threshold > self.threshold:
            raise ValueError(
                f"relaxed_threshold ({self.relaxed_threshold}) must not be above threshold "
                f"({self.threshold}): lower it, or being near an anchor would count against a token"
            )
        return self
