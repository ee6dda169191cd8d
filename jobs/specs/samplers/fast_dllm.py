"""Fast-dLLM's sampler."""

from typing import Literal

from pydantic import Field, model_validator

from jobs.specs.samplers.base import SamplerOptions


class FastDLLMSampler(SamplerOptions):
    """Fast-dLLM: blocks from left to right, after each pass all that the model is sure of, and a cache that
    reads only part of the canvas. Source: NVlabs/Fast-dLLM llada/generate.py."""

    name: Literal["fast_dllm"] = "fast_dllm"
    block_size: int = Field(default=32, ge=1, le=8192)
    """Tokens of a block; blocks are filled from left to right. The last may be shorter."""
    use_cache: Literal["none", "prefix", "dual"] = "none"
    """What is read again within a block. none: all. prefix: the block and what follows. dual: the block. The
    last two are approximations."""
    steps: int | None = Field(default=None, ge=1, le=8192)
    """How many passes, shared out over the blocks, at least one each. None: one for each token."""
    threshold: float | None = Field(default=None, gt=0, le=1)
    """In place of steps: write every token that the model gives at least this probability, and the likeliest
    in any case. 0.9 is usual."""
    factor: float | None = Field(default=None, gt=0, le=100)
    """In place of steps: write the r-th likeliest if its probability is at least 1 - factor / (r + 1)."""
    temperature: float = Field(default=0.0, ge=0, le=5)
    """0 always takes the likeliest token; higher is more varied."""
    remasking: Literal["low_confidence", "random"] = "low_confidence"
    """Which positions stay masked for another pass."""

    @model_validator(mode="after")
    def _one_measure(self) -> "FastDLLMSampler":
        given = [name for name in ("steps", "threshold", "factor") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(
                f"{' and '.join(given)} each say how many tokens a pass writes: keep one of them and set "
                "the others to null"
            )
        if self.remasking == "random" and given not in ([], ["steps"]):
            raise ValueError(
                f"remasking random has no confidence to measure by {given[0]}: set steps instead"
            )
        return self
