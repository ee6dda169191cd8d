"""What is asked of a model, checked and in the words of the model server."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from backend.services.models import ModelService, ModelView
from jobs.protocol.errors import SpecError
from jobs.specs.base import Spec
from jobs.specs.samplers import DEFAULT, presets
from jobs.specs.samplers.cautions import cautions
from jobs.specs.samplers.fits import misfit

MOST_BLANKS = 1024
FORMS = ("prompt", "messages", "infill", "grid")


class Question(BaseModel):
    """One text to write, whoever writes it. Exactly one of prompt, messages, infill (text with ____ gaps of
    `blanks` masks each) and grid (text with `.` blanks).

    With the first two, `constraints` (position after the prompt, from 0 -> text or token id) must stand
    there, and the answer begins with `prefix` and ends with `suffix`. A message's content may be a list of
    texts and images, {"type": "image", "image": name of a file among the kept pictures}.
    """

    model_config = ConfigDict(extra="forbid")

    prompt: str | None = None
    messages: list[dict[str, Any]] | None = None
    infill: str | None = None
    grid: str | None = None
    blanks: int = 8
    constraints: Mapping[int, str | int] = {}
    prefix: str = ""
    suffix: str = ""
    seed: int = 0

    def words(self, pictures: Path) -> dict[str, Any]:
        """All but model and sampler. Raises: SpecError."""
        content = {name: value for name in FORMS if (value := getattr(self, name)) is not None}
        if len(content) != 1:
            raise SpecError(f"Give exactly one of {', '.join(FORMS)}; given: {', '.join(content) or 'none'}.")
        if not 1 <= self.blanks <= MOST_BLANKS:
            raise SpecError(f"blanks must be between 1 and {MOST_BLANKS}; it is {self.blanks}.")
        check_seed(self.seed)
        forced = {"constraints": dict(self.constraints), "prefix": self.prefix, "suffix": self.suffix}
        forced = {name: value for name, value in forced.items() if value}
        if forced and not {"prompt", "messages"} & set(content):
            raise SpecError(f"{next(iter(forced))} goes with prompt or messages only.")
        words = {"op": "generate", **content, **forced, "seed": self.seed}
        if self.infill is not None:
            words["blanks"] = self.blanks
        if any(isinstance(message.get("content"), list) for message in self.messages or []):
            words["pictures"] = str(pictures)
        return words


def of_model(
    models: ModelService, model: str, sampler: Spec | dict[str, Any] | None
) -> tuple[Path, dict[str, Any]]:
    """(folder, words) of who writes it and how. Raises: ModelError, SpecError."""
    path = models.writer(model)
    return path, {"model": str(path), "sampler": check_sampler(sampler, models.get(model))}


def check_sampler(sampler: Spec | dict[str, Any] | None, model: ModelView) -> dict[str, Any] | None:
    """Sampler settings as the model server takes them; those that name no sampler are for the model's own.

    Raises: SpecError for wrong settings, and for a sampler that does not fit the model.
    """
    if sampler is None:
        return None
    data = sampler.model_dump(mode="json") if isinstance(sampler, Spec) else dict(sampler)
    options = presets.parse({"name": model.sampler.get("name", DEFAULT), **data})
    if reason := misfit(options, model):
        raise SpecError(reason)
    return options.model_dump(mode="json")


def cautions_of(models: ModelService, model: str, sampler: dict[str, Any]) -> list[str]:
    """What is allowed and known to go wrong with these settings. Raises: ModelError, SpecError."""
    return cautions(presets.parse(sampler), models.get(model))


def check_seed(seed: int) -> None:
    """Raises: SpecError."""
    if not 0 <= seed < 2**31:
        raise SpecError(f"seed must be between 0 and {2**31 - 1}; it is {seed}.")
