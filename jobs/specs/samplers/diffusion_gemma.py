"""DiffusionGemma's sampler."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from jobs.specs.diffusion_config import Noise
from jobs.specs.samplers.base import SamplerOptions


class DiffusionGemmaSampler(SamplerOptions):
    """DiffusionGemma's own: canvases of random tokens, one after the other, are refined until the model is
    sure of them. Source: transformers' generate() for this model; the defaults are its published settings."""

    noise: ClassVar[Noise] = "uniform"
    stays_written: ClassVar[bool] = False

    name: Literal["diffusion_gemma"] = "diffusion_gemma"
    early_exit: bool = False
    """Not offered: a canvas is refined as a whole; after one with the end of the text no other is begun."""
    steps: int = Field(default=48, ge=1, le=8192)
    """Steps for a canvas, at most."""
    entropy_bound: float = Field(default=0.1, ge=0)
    """Nats that the accepted tokens of a step may have together, the least certain one left out."""
    t_max: float = Field(default=0.8, gt=0, le=5)
    """Temperature of a canvas's first step."""
    t_min: float = Field(default=0.4, gt=0, le=5)
    """Temperature towards its last step."""
    stability_threshold: int = Field(default=1, ge=0)
    """Steps for which the likeliest tokens must not have changed before a canvas is done."""
    confidence_threshold: float = Field(default=0.005, ge=0)
    """Mean entropy in nats that a canvas must be under to be done."""

    @model_validator(mode="after")
    def _possible(self) -> "DiffusionGemmaSampler":
        if self.early_exit:
            raise ValueError(
                "early_exit is not for diffusion_gemma, which refines a canvas as a whole: set it to false"
            )
        if self.t_min > self.t_max:
            raise ValueError(f"t_min ({self.t_min}) must not be above t_max ({self.t_max})")
        return self
