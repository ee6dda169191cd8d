"""How a loaded model reads pictures."""

from jobs.data.images import PictureReader
from jobs.models.checkpoint import Checkpoint


def picture_reader(loaded: Checkpoint) -> PictureReader | None:
    """From a picture to the model's inputs; None for models of text."""
    if loaded.images is None:
        return None
    return PictureReader(loaded.images.processor, loaded.model.config.image_token_id)
