"""How a causal model writes."""

from typing import ClassVar, Literal

from pydantic import Field

from jobs.specs.samplers.base import SamplerOptions


class ARSampler(SamplerOptions):
    """One token a pass from left to right, as a causal model was trained: a lane to compare diffusion with.
    Source: transformers GenerationMixin.generate."""

    objective: ClassVar[str | None] = "ar-sft"
    name: Literal["ar"] = "ar"
    temperature: float = Field(default=0.0, ge=0, le=5)
    """0 always takes the likeliest token; higher is more varied."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Draw from the likeliest tokens that together have this probability."""
    top_k: int | None = Field(default=None, ge=1)
    """Draw from so many likeliest tokens."""
