"""What all samplers' options share."""

from typing import ClassVar, Literal

from pydantic import Field

from jobs.specs.base import Spec
from jobs.specs.diffusion_config import Noise


class SamplerOptions(Spec):
    """Every sampler fills a canvas and may be kept from words or from the space after the end."""

    attention: ClassVar[Literal["full", "blocks"]] = "full"
    """What models it is for: those in which every position sees every other, or block diffusion models."""
    noise: ClassVar[Noise] = "mask"
    """What stands where models that it is for write a text."""
    objective: ClassVar[str | None] = None
    """The training objective whose models alone it is for; None: it goes by no objective."""
    stays_written: ClassVar[bool] = True
    """Whether a token that is written stays. If not, when to exit early is the sampler's own business."""

    max_new_tokens: int = Field(default=64, ge=1, le=8192)
    """Length of the canvas after the prompt."""
    suppress_tokens: list[int | str] = Field(default_factory=list)
    """Tokens that are never written, by id or as they stand in the vocabulary."""
    early_exit: bool = True
    """Stop as soon as the text up to its end token stands; what follows it costs no forward passes. The text
    is the same."""
