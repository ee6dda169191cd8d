"""How a model reads and masks text, without its weights: what a look at the data needs."""

from pathlib import Path
from typing import Any

from jobs.models import checkpoint
from jobs.models.classes import VISION
from jobs.models.create import create
from jobs.models.images import ImageProcessor, load_images
from jobs.models.source import locate, read_config
from jobs.models.tokenizers import give_mask_token, load_tokenizer
from jobs.protocol.errors import ModelError
from jobs.specs.diffusion_config import FILE, DiffusionConfig
from jobs.specs.job import ModelSpec


def vocabulary(model: ModelSpec) -> tuple[Any, DiffusionConfig]:
    """(tokenizer, diffusion settings) of the model that a training would start from.

    Raises: ModelError, SpecError where the training would not start either.
    """
    if model.new is not None:
        if model.new.family is not None:  # debug sizes are made in a moment, and know their family's settings
            made = create(model.new, seed=0)
            return made.tokenizer, made.config
        tokenizer = load_tokenizer(model.new.tokenizer)
        return tokenizer, DiffusionConfig(mask_token_id=give_mask_token(tokenizer, None)[0])
    folder = locate(str(model.path))
    if (folder / FILE).is_file():
        return load_tokenizer(folder), DiffusionConfig.load(folder)
    return _foreign(Path(folder), str(model.path))


def pictures(model: ModelSpec) -> tuple[ImageProcessor, int] | None:
    """(image processor, token for a picture); None for models of text. Raises: ModelError."""
    if model.path is None:
        made = create(model.new, seed=0) if model.new and model.new.family is not None else None
        return (made.images, made.model.config.image_token_id) if made and made.images is not None else None
    folder = locate(model.path)
    config = read_config(folder)
    found = load_images(folder) if config.get("model_type") in VISION else None
    return (found, config["image_token_id"]) if found is not None else None


def _foreign(folder: Path, name: str) -> tuple[Any, DiffusionConfig]:
    """Of an official folder; a causal model, which `ar-sft` trains, has a mask token that it never sees."""
    family = checkpoint.official_family(folder, name)
    if family is None:
        tokenizer = load_tokenizer(folder)
        return tokenizer, DiffusionConfig(mask_token_id=give_mask_token(tokenizer, None)[0])
    tokenizer = checkpoint.official_tokenizer(folder, family)
    if tokenizer is None:
        raise ModelError(f"{folder} has no tokenizer, so it cannot read the data. Copy one there.")
    return tokenizer, checkpoint.official_diffusion(folder, name, family, tokenizer, None)
