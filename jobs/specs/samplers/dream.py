"""Dream's sampler."""

from typing import Literal

from pydantic import Field

from jobs.specs.samplers.base import SamplerOptions


class DreamSampler(SamplerOptions):
    """Dream's sampler: the whole canvas at once, the positions that the model is clearest about first.
    Source: DreamLM/Dream, generation_utils.py; the defaults are those its authors recommend."""

    name: Literal["dream"] = "dream"
    steps: int = Field(default=64, ge=1, le=8192)
    """Steps in all; as many as new tokens is what the authors advise. Those in which nothing is due cost
    nothing."""
    alg: Literal["origin", "maskgit_plus", "topk_margin", "entropy"] = "entropy"
    """Which positions are written first. origin: chance decides. maskgit_plus: the likeliest token.
    topk_margin: the widest lead over the second. entropy: the least doubt over all tokens."""
    alg_temp: float = Field(default=0.0, ge=0, le=5)
    """Above 0 the positions are drawn, the clearer ones more often, instead of taken in order."""
    temperature: float = Field(default=0.2, ge=0, le=5)
    """0 always takes the likeliest token; higher is more varied. It also shapes what `alg` goes by."""
    top_p: float | None = Field(default=0.95, gt=0, le=1)
    """Only the likeliest tokens that together have this probability may be written. 1: all."""
    top_k: int | None = Field(default=None, ge=1)
    """Only so many of the likeliest tokens may be written. None: all."""
    eps: float = Field(default=1e-3, gt=0, lt=1)
    """The time at which the last step begins its rest; time falls evenly from 1 to it."""
    quota: Literal["row", "batch", "dllm"] = "row"
    """How many positions a step writes. row: the share of the row's masks that the time says. batch: the same
    number in each row, from the mean of the batch, as published. dllm: dLLM's rounding of that share."""
    cfg_scale: float = Field(default=0.0, ge=0, le=10)
    """Guidance: how far to push away from what the model says without the prompt. 0 is off."""
