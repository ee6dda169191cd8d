"""Side by side: one question to several models or settings, each with the device to itself."""

from typing import Any

from pydantic import BaseModel

from backend.services.question import Question, of_model
from backend.services.sampling import Handle, SamplingService
from jobs.protocol.errors import SpecError, StudioError

FEWEST, MOST = 2, 4


class Lane(BaseModel):
    """Who writes it, and how. Without a sampler it is the model's own preset."""

    model: str
    sampler: dict[str, Any] | None = None


def side_by_side(sampling: SamplingService, question: Question, lanes: list[Lane]) -> list[Handle]:
    """Ask all lanes the same with the same seed, one after another, so that the time of each is its own.

    They are sent together or not at all. Raises: ModelError, SpecError, with the lane's letter.
    """
    if not FEWEST <= len(lanes) <= MOST:
        raise SpecError(f"Give {FEWEST} to {MOST} lanes; given: {len(lanes)}.")
    words = question.words(sampling.pictures)
    asked = []
    for letter, lane in zip("ABCD", lanes, strict=False):
        try:
            path, of_lane = of_model(sampling.models, lane.model, lane.sampler)
        except StudioError as error:
            raise type(error)(f"Lane {letter}: {error}") from None
        asked.append((path, {**words, **of_lane, "alone": True}))
    return sampling.send(asked)
