"""MDLM's ancestral sampler."""

from typing import Literal

from pydantic import Field

from jobs.specs.samplers.base import SamplerOptions


class MDLMSampler(SamplerOptions):
    """MDLM's ancestral sampler: runs the noise backwards, every mask turns into a word by its own chance.
    Source: kuleshov-group/mdlm diffusion.py."""

    name: Literal["mdlm"] = "mdlm"
    steps: int = Field(default=128, ge=1, le=8192)
    """Steps from all noise to next to none."""
    predictor: Literal["ddpm_cache", "ddpm", "analytic"] = "ddpm_cache"
    """ddpm_cache: asks the model once for each canvas. ddpm: asks in every step, for the same answer again.
    analytic: as ddpm, but the last masks are drawn like all others."""
    noise_removal: bool = True
    """Fill the masks that chance has left with the likeliest tokens, for one more pass. Off: the last step
    runs to no noise at all and leaves none."""
    schedule: Literal["linear", "cosine", "square_root"] = "linear"
    """Noise schedule the steps follow; MDLM's own is linear (log-linear in its noise)."""
    eps: float = Field(default=1e-5, gt=0, lt=1)
    """The time at which noise removal takes over."""
    precision: Literal["float64", "float32"] = "float64"
    """In which tokens are drawn. float32, as published, favours likely tokens more than the model does."""
