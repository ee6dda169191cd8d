"""dLLM's sampler for block diffusion models."""

from typing import Literal

from pydantic import Field

from jobs.specs.samplers.blocks import BlockOptions
from jobs.specs.samplers.dllm_mdlm import TokenId


class DllmBD3LMSampler(BlockOptions):
    """dLLM's sampler for block models: in each step as many tokens as the noise schedule expects.
    Source: ZHZisZZ/dllm core/samplers/bd3lm.py."""

    name: Literal["dllm_bd3lm"] = "dllm_bd3lm"
    steps: int = Field(default=128, ge=1, le=8192)
    """Steps in all, shared out over the blocks and rounded up. Those in which nothing is due are skipped."""
    steps_per_block: int | None = Field(default=None, ge=1, le=8192)
    """Steps of each block; none: as `steps` says."""
    blocks_from: Literal["start", "mask"] = "start"
    """Where blocks are counted from. start: the first token of the text, as the model was trained. mask: the
    first mask, after the prompt, as in dLLM."""
    schedule: Literal["linear", "cosine"] = "linear"
    """Noise schedule that says how many tokens a step reveals. cosine: few at first, more later."""
    stochastic_transfer: bool = False
    """Draw the number of tokens of each step rather than round what is expected."""
    temperature: float = Field(default=0.0, ge=0, le=5)
    """0 always takes the likeliest token; higher is more varied."""
    remasking: Literal["low_confidence", "random"] = "low_confidence"
    """Which positions stay masked for another step."""
    cfg_scale: float = Field(default=0.0, ge=0, le=10)
    """Guidance: how far to push away from what the model says without the prompt. 0 is off."""
    cfg_keep_tokens: list[TokenId] = Field(default_factory=list)
    """Ids of given tokens that guidance leaves readable."""
