"""Fast-dLLM's sampler for Dream."""

from typing import Literal

from pydantic import Field, model_validator

from jobs.specs.samplers.base import SamplerOptions


class FastDLLMDreamSampler(SamplerOptions):
    """Fast-dLLM for Dream: as for LLaDA, with Dream's way to draw a token and to be sure of it.
    Source: NVlabs/Fast-dLLM dream/model/generation_utils_block.py and generation_utils.py."""

    name: Literal["fast_dllm_dream"] = "fast_dllm_dream"
    block_size: int = Field(default=32, ge=1, le=8192)
    """Tokens of a block; blocks are filled from left to right. The last may be shorter."""
    use_cache: Literal["none", "prefix", "dual"] = "none"
    """What is read again within a block. none: all. prefix: the block and what follows. dual: the block. The
    last two are approximations."""
    threshold: float | None = Field(default=0.9, gt=0, le=1)
    """Write every token of at least this probability, and the likeliest in any case (alg
    confidence_threshold). None: as many as the steps say, the lowest entropy first (alg entropy)."""
    steps: int | None = Field(default=None, ge=1, le=8192)
    """Passes, shared out over the blocks, at least one each. With a threshold, what one pass may write: its
    share and what earlier ones left over. None: one a token, and no such limit."""
    temperature: float = Field(default=0.0, ge=0, le=5)
    """0 always takes the likeliest token; higher is more varied."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Only the likeliest tokens that together have this probability."""
    top_k: int | None = Field(default=None, ge=1)
    """Only so many of the likeliest tokens."""

    @model_validator(mode="after")
    def _limit_without_cache(self) -> "FastDLLMDreamSampler":
        if self.threshold is not None and self.steps is not None and self.use_cache != "none":
            raise ValueError(
                f"steps limit what a pass of threshold writes only without a cache, not with use_cache "
                f"{self.use_cache}: leave out steps, or set use_cache to none"
            )
        return self
