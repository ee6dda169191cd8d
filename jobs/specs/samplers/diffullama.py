"""DiffuGPT's and DiffuLLaMA's sampler."""

from typing import Literal

from pydantic import Field

from jobs.specs.samplers.base import SamplerOptions


class DiffuLLaMASampler(SamplerOptions):
    """DiffuGPT's and DiffuLLaMA's sampler: the whole canvas, at random or the likeliest tokens first.
    Source: HKUNLP/DiffuLLaMA model.py and LLaMA-Factory train/ddm/trainer.py."""

    name: Literal["diffullama"] = "diffullama"
    steps: int = Field(default=64, ge=1, le=8192)
    """Steps in all (diffusion_steps). Those in which nothing changes cost nothing."""
    alg: Literal["random", "topk"] = "random"
    """Which positions are written. random: all with equal chance, as in the authors' quick start. topk: those
    whose tokens are likelier than those of the share that is to stay masked, as in their evaluations."""
    temperature: float = Field(default=0.9, ge=0, le=5)
    """0 always takes the likeliest token; higher is more varied (logits_temp). The authors use 0.9 for
    DiffuLLaMA and 0.95 for DiffuGPT."""
    greedy: bool = False
    """Take the likeliest token at any temperature, which then only changes the order of topk."""
    top_p: float | None = Field(default=0.9, gt=0, le=1)
    """Only the likeliest tokens that together have this probability may be written (topp_temp). 1: all."""
    allow_mask_token: bool = False
    """Let the mask token be written, for models whose mask id is also a word (811 in DiffuLLaMA)."""
