"""What transformers does not know about a dLLM; it travels in the checkpoint as diffusion_config.json."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from jobs.protocol.errors import ModelError
from jobs.protocol.folder import read_json, write_json
from jobs.specs.base import Spec

FILE = "diffusion_config.json"


class GridShape(Spec):
    """A text that is a grid of single-character cells, such as a sudoku."""

    rows: int = Field(ge=1, le=64)
    columns: int = Field(ge=1, le=64)
    box_rows: int = Field(ge=1, le=64)
    box_columns: int = Field(ge=1, le=64)


Noise = Literal["mask", "uniform"]


class DiffusionConfig(Spec):
    """One checkpoint's diffusion settings. No user has to know them and no sampler may get them wrong."""

    version: Literal[1] = 1
    family: str = "a2d"
    """The family (a file of jobs/models/families) that the checkpoint came in with."""
    mask_token_id: int = Field(ge=0)
    """The id of the mask token."""
    noise: Noise = "mask"
    """What stands where text is to be written: masks, or random tokens (the mask token then only marks the
    place and is never shown to the model)."""
    shifted_logits: bool = False
    """True: the output at position i - 1 predicts token i."""
    block_size: int | None = None
    """Block of a block-diffusion model; None for full attention."""
    objective: str = "mdlm"
    """What it was trained with."""
    schedule: str = "linear"
    """Noise schedule it was trained with."""
    sliding_window: Literal["keep", "full"] | None = None
    """Window layers of the source: kept on both sides, or opened to full attention."""
    task: Literal["text", "grid"] = "text"
    """grid: the whole text is one grid, filled in place."""
    grid: GridShape | None = None
    """Shape of the grid."""
    sampler: dict[str, Any] = Field(default_factory=dict)
    """Recommended sampler settings, shown as the preset."""
    source: str = ""
    """Where the weights came from."""
    note: str = ""
    """One line for the model list."""

    def save(self, folder: Path) -> None:
        write_json(folder / FILE, self.model_dump(mode="json"))

    @classmethod
    def load(cls, folder: Path) -> "DiffusionConfig":
        """Read a checkpoint's diffusion settings.

        Raises: ModelError where the folder has none.
        """
        data = read_json(folder / FILE)
        if data is None:
            raise ModelError(f"{folder} is not a dLLM checkpoint: it has no {FILE}. Convert it first.")
        return cls.parse(data, where=str(folder / FILE))
