"""LLaDA's sampler."""

from typing import Literal

from pydantic import Field, model_validator

from jobs.specs.samplers.base import SamplerOptions


class LLaDASampler(SamplerOptions):
    """LLaDA's sampler: blocks from left to right, in each the most confident tokens first.
    Source: ML-GSAI/LLaDA generate.py."""

    name: Literal["llada"] = "llada"
    steps: int = Field(default=64, ge=1, le=8192)
    """Forward passes over the whole canvas. More steps, fewer tokens in each."""
    block_size: int | None = Field(default=None, ge=1, le=8192)
    """Tokens of a block; blocks are filled from left to right. None: one block."""
    canvas: Literal["whole", "growing"] = "whole"
    """whole: later blocks stand there as masks (semi-autoregressive padding). growing: the canvas ends with
    the block being written (semi-autoregressive origin)."""
    temperature: float = Field(default=0.0, ge=0, le=5)
    """0 always takes the likeliest token; higher is more varied."""
    cfg_scale: float = Field(default=0.0, ge=0, le=10)
    """Guidance: how far to push away from what the model says without the prompt. 0 is off."""
    remasking: Literal["low_confidence", "random"] = "low_confidence"
    """Which positions stay masked for another step."""
    suppress_eos: bool = False
    """Never write the end-of-text token (LLaDA's logits_eos_inf)."""
    delay_eos: bool = False
    """Give end-of-text the lowest confidence, so that it is written last (confidence_eos_eot_inf)."""

    @model_validator(mode="after")
    def _blocks_fit(self) -> "LLaDASampler":
        if self.block_size is None:
            return self
        if self.max_new_tokens % self.block_size:
            raise ValueError(
                f"max_new_tokens ({self.max_new_tokens}) must be a multiple of block_size "
                f"({self.block_size}); leave block_size out for one block"
            )
        blocks = self.max_new_tokens // self.block_size
        if self.steps % blocks:
            raise ValueError(
                f"steps ({self.steps}) must be a multiple of the number of blocks ({blocks}); "
                f"try {max(1, round(self.steps / blocks)) * blocks}"
            )
        return self
