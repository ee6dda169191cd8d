"""The samplers of LLaDA2.0 and LLaDA2.1."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from jobs.specs.samplers.blocks import DrawnBlockOptions


class ThresholdOptions(DrawnBlockOptions):
    """What both have."""

    threshold: float = Field(default=0.95, ge=0, le=1)
    """Every token that is likelier than this is written at once."""


class LLaDA2Sampler(ThresholdOptions):
    """LLaDA2.0's sampler: block by block, in each step every token above a threshold, or the surest ones.
    Source: inclusionAI/dFactory modeling_llada2_moe.py, generate."""

    name: Literal["llada2"] = "llada2"
    steps_per_block: int = Field(default=32, ge=1, le=8192)
    """Most forward passes on a block. Fewer passes, more tokens in each, sure or not."""
    minimal_topk: int = Field(default=1, ge=1, le=8192)
    """No block takes more than max_new_tokens / minimal_topk passes."""

    @model_validator(mode="after")
    def _one_pass_at_least(self) -> "LLaDA2Sampler":
        if self.minimal_topk > self.max_new_tokens:
            raise ValueError(
                f"minimal_topk ({self.minimal_topk}) leaves no pass for {self.max_new_tokens} new tokens; "
                f"set it to {self.max_new_tokens} or lower"
            )
        return self


class LLaDA21Sampler(ThresholdOptions):
    """LLaDA2.1's sampler: as LLaDA2.0's, and a written token may be replaced until its block is left.
    Source: ZHZisZZ/dllm pipelines/llada21/sampler.py."""

    stays_written: ClassVar[bool] = False

    name: Literal["llada21"] = "llada21"
    num_to_transfer: int = Field(default=1, ge=1, le=8192)
    """Where fewer tokens are above the threshold, this many are written, the surest ones."""
    editing_threshold: float = Field(default=0.9, ge=0, le=1)
    """A written token is replaced by another one that is likelier than this."""
    max_post_steps: int = Field(default=16, ge=0, le=8192)
    """Most forward passes on a block once it has no masks. A pass that replaces nothing is the last."""
