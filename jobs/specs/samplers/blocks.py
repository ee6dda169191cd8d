"""What the options of all samplers for block diffusion models share."""

from typing import ClassVar, Literal

from pydantic import Field

from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers.base import SamplerOptions

USUAL_BLOCK = 32  # of LLaDA2.0 and dLLM


class BlockOptions(SamplerOptions):
    """A block is filled after all before it, seeing these and itself."""

    attention: ClassVar[Literal["full", "blocks"]] = "blocks"

    block_size: int | None = Field(default=None, ge=1, le=8192)
    """Tokens of a block; none: as the model was trained."""
    use_cache: Literal["prefix", "none"] = "prefix"
    """prefix: keep what was computed for finished blocks. none: read the whole text in each pass. The text is
    the same."""

    def size_for(self, config: DiffusionConfig) -> int:
        """Tokens of a block of a model."""
        return self.block_size or config.block_size or USUAL_BLOCK


class DrawnBlockOptions(BlockOptions):
    """Tokens are drawn from what temperature, top-k and top-p leave, in this order."""

    temperature: float = Field(default=0.0, ge=0, le=5)
    """0 always takes the likeliest token; higher is more varied."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Only the likeliest tokens that together have this probability; none: all."""
    top_k: int | None = Field(default=None, ge=1)
    """Only this many of the likeliest tokens; none: all."""
