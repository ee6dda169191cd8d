"""Specs that become several jobs. GROUPS is the list of names."""

from typing import Any

from jobs.specs.load import parse_spec
from jobs.specs.pipeline import PipelineSpec
from jobs.specs.sweep import SweepSpec

GroupSpec = PipelineSpec | SweepSpec
GROUPS: dict[str, type[PipelineSpec] | type[SweepSpec]] = {"pipeline": PipelineSpec, "sweep": SweepSpec}


def is_group(data: dict[str, Any]) -> bool:
    """Whether a spec as written is one of several jobs."""
    return data.get("kind") in GROUPS


def parse_group(data: dict[str, Any], where: str = "") -> GroupSpec:
    """A dict as the pipeline or sweep that it says it is. Raises: SpecError, one sentence a problem."""
    return GROUPS[data["kind"]].parse(data, where)


def check_any(data: dict[str, Any], where: str = "") -> None:
    """Raises: SpecError for what is neither a right job nor a right pipeline or sweep."""
    if is_group(data):
        parse_group(data, where)
    else:
        parse_spec(data, where)
