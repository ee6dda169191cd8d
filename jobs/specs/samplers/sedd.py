"""SEDD's analytic sampler."""

from typing import ClassVar, Literal

from pydantic import Field

from jobs.specs.samplers.base import SamplerOptions


class SEDDSampler(SamplerOptions):
    """SEDD's analytic sampler: runs the noise backwards by the model's scores, which also say when a mask
    turns into a word. Source: louaaron/Score-Entropy-Discrete-Diffusion sampling.py."""

    objective: ClassVar[str | None] = "sedd"

    name: Literal["sedd"] = "sedd"
    steps: int = Field(default=1024, ge=1, le=8192)
    """Steps from all noise to next to none; each one asks the model, which is told the noise level."""
    eps: float = Field(default=1e-5, gt=0, lt=1)
    """The time at which the masks that are left are drawn, in one more pass."""
    precision: Literal["float64", "float32"] = "float64"
    """In which tokens are drawn. float32, as published, favours likely tokens more than the model does."""
