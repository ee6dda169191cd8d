"""Parts of a model that a training leaves as they are, such as the encoder of pictures."""

import re

from torch import nn

from jobs.models.families import FAMILIES
from jobs.protocol.errors import SpecError
from jobs.specs.diffusion_config import DiffusionConfig

NOTHING = "nothing"


def frozen_names(config: DiffusionConfig, asked: str | None) -> re.Pattern[str] | None:
    """What the names of parameters and modules of the frozen parts match; None where nothing is frozen.

    `asked` are parts of the model's family separated by commas, or "nothing"; None: what the family freezes.
    Raises: SpecError for a part that the family has not.
    """
    family = FAMILIES.get(config.family, FAMILIES["a2d"])
    named = [name.strip() for name in asked.split(",")] if asked is not None else list(family.frozen)
    if named == [NOTHING] or not named:
        return None
    unknown = [name for name in named if name not in family.parts]
    if unknown:
        known = ", ".join([*family.parts, NOTHING])
        raise SpecError(f"tuning.freeze: {family.title} has no part {unknown[0]!r}; known: {known}.")
    return re.compile("|".join(f"(?:{family.parts[name].pattern})" for name in named))


def freeze(model: nn.Module, names: re.Pattern[str] | None) -> None:
    """Stop training the parameters whose names match."""
    if names is None:
        return
    for name, parameter in model.named_parameters():
        if names.fullmatch(name):
            parameter.requires_grad_(False)
