"""ReMDM's sampler."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from jobs.specs.samplers.base import SamplerOptions


class ReMDMSampler(SamplerOptions):
    """ReMDM: written tokens may become masks again, so that more steps can mend what was written early.
    Source: Wang et al. 2025, arXiv 2503.00307, and kuleshov-group/remdm."""

    stays_written: ClassVar[bool] = False

    name: Literal["remdm"] = "remdm"
    early_exit: bool = False
    """Not offered: what stands before the end of the text may be masked again until the last step."""
    strategy: Literal["cap", "rescale", "conf", "loop"] = "loop"
    """How likely a token is masked again. cap: eta at most. rescale: eta times as likely as can be. conf: the
    less sure the model was of it, the likelier. loop: eta, in the middle of the run only."""
    steps: int = Field(default=128, ge=1, le=8192)
    """Steps in all. Those in which nothing is written cost nothing."""
    eta: float = Field(default=0.02, ge=0, le=1)
    """How much is masked again; see strategy. 0 is MDLM's ancestral sampling."""
    t_on: float = Field(default=0.55, gt=0, lt=1)
    """loop: the time, which falls from 1 to 0, at which masking again begins."""
    t_off: float = Field(default=0.05, gt=0, lt=1)
    """loop: the time at which it ends."""
    alpha_on: float = Field(default=0.9, gt=0, lt=1)
    """loop: the share of the text that is written while tokens are masked again."""
    temperature: float = Field(default=1.0, ge=0, le=5)
    """1 draws from what the model says; lower is less varied, 0 always takes the likeliest token."""
    top_p: float | None = Field(default=0.9, gt=0, le=1)
    """Only the likeliest tokens that together have this probability. None: all."""

    @model_validator(mode="after")
    def _possible(self) -> "ReMDMSampler":
        if self.early_exit:
            raise ValueError(
                "early_exit is not for remdm, where any token may be masked again: set it to false"
            )
        if self.strategy != "loop":
            return self
        if self.t_off >= self.t_on:
            raise ValueError(f"t_off ({self.t_off}) must be below t_on ({self.t_on}): time falls from 1 to 0")
        most = (1 - self.alpha_on) / self.alpha_on
        if self.eta > most:
            raise ValueError(
                f"eta ({self.eta}) masks more tokens than there are masks to write when alpha_on is "
                f"{self.alpha_on}: lower it to {int(most * 1000) / 1000} or less, or lower alpha_on"
            )
        return self
