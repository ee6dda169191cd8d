"""dLLM's sampler for masked diffusion models."""

from typing import Annotated, Literal

from pydantic import Field

from jobs.specs.samplers.base import SamplerOptions

TokenId = Annotated[int, Field(ge=0)]


class DllmMDLMSampler(SamplerOptions):
    """dLLM's sampler: blocks from left to right, in each as many tokens a step as the noise schedule expects.
    Source: ZHZisZZ/dllm core/samplers/mdlm.py."""

    name: Literal["dllm_mdlm"] = "dllm_mdlm"
    max_new_tokens: int = Field(default=128, ge=1, le=8192)
    """Length of the canvas after the prompt."""
    steps: int = Field(default=128, ge=1, le=8192)
    """Steps in all, shared out over the blocks and rounded up. Those in which nothing is due are skipped."""
    block_size: int | None = Field(default=128, ge=1, le=8192)
    """Tokens of a block; the last one may be shorter. None, or as many as the text has: one block."""
    blocks_from: Literal["mask", "start"] = "mask"
    """Where the first block begins. mask: at the first mask, after the prompt (dLLM's sample). start: at the
    first token of the text, given ones too (dLLM's infill)."""
    quota: Literal["row", "batch"] = "row"
    """Over which blocks the steps are shared out. row: over the row's own. batch: over those of the row with
    the most, as dLLM does when texts of several lengths are filled in."""
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
    begin_suppress_tokens: list[TokenId] = Field(default_factory=list)
    """Ids of tokens that are written last: they count for nothing when the surest positions are chosen."""
