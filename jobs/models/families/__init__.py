"""The families: official checkpoint formats that load as stock transformers classes.

To add one: a file with a class of base.Family's shape, and its name here. The contract tests run over every
entry.
"""

from typing import Any

from jobs.models.families.a2d import A2D
from jobs.models.families.base import Family
from jobs.models.families.llada import LLaDA

FAMILIES: dict[str, Family] = {"llada": LLaDA(), "a2d": A2D()}


def detect(config: dict[str, Any], tensors: set[str]) -> Family | None:
    """The family that claims a folder's config.json and tensor names, or None."""
    return next((family for family in FAMILIES.values() if family.claims(config, tensors)), None)


__all__ = ["FAMILIES", "Family", "detect"]
