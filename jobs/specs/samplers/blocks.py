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
