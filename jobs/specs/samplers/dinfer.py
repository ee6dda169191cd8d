"""dInfer's sampler."""

from typing import Literal

from pydantic import Field

from jobs.specs.samplers.base import SamplerOptions


class DInferSampler(SamplerOptions):
    """dInfer's three ways to write several tokens a pass: by threshold, by gap, or with credit for earlier
    passes. Source: inclusionAI/dInfer python/dinfer/decoding/parallel_strategy.py."""

    name: Literal["dinfer"] = "dinfer"
    block_size: int = Field(default=64, ge=1, le=8192)
    """Tokens of a block; blocks are filled from left to right. The last may be shorter."""
    parallel_decoding: Literal["threshold", "hierarchy", "credit"] = "threshold"
    """threshold: what is sure enough. hierarchy: also the surest token of every gap. credit: a token that was
    ahead in earlier passes counts as surer."""
    threshold: float = Field(default=0.9, gt=0, le=1)
    """Write every token of at least this probability, and the likeliest in any case."""
    low_threshold: float = Field(default=0.4, ge=0, le=1)
    """hierarchy: what the surest token of a gap needs."""
    credit_alpha: float = Field(default=0.7, ge=0, le=10)
    """credit: how much it counts."""
    boost_gamma: float = Field(default=0.2, ge=0, le=10)
    """credit: a token ahead gains its probability to this power."""
    decay_beta: float = Field(default=0.8, ge=0, le=1)
    """credit: what is left of it from one pass to the next."""
    use_cache: Literal["none", "prefix", "dual"] = "none"
    """What is read again within a block, as in fast_dllm."""
    temperature: float = Field(default=0.0, ge=0, le=5)
    """0 always takes the likeliest token; higher is more varied."""
