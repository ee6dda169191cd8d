"""How a model reads pictures."""

from jobs.data.images import PictureReader
from jobs.models.checkpoint import Checkpoint
from jobs.models.vocabulary import pictures
from jobs.specs.job import ModelSpec


def picture_reader(loaded: Checkpoint) -> PictureReader | None:
    """From a picture to a loaded model's inputs; None for models of text."""
    if loaded.images is None:
        return None
    return PictureReader(loaded.images.processor, loaded.model.config.image_token_id)


def reader_of(model: ModelSpec) -> PictureReader | None:
    """The same without the weights. Raises: ModelError."""
    found = pictures(model)
    return PictureReader(found[0].processor, found[1]) if found is not None else None
