"""Where a spec may name what another run made, as `run:train-0001`, and which of these names are promises."""

from typing import Any

from jobs.specs.base import Spec
from jobs.specs.job import JobSpec

RUN_PREFIX = "run:"
MODEL_MAKERS, DATA_MAKERS = ("train", "convert"), ("prepare",)
PLACES: dict[str, dict[str, tuple[str, ...]]] = {
    "train": {"model.path": MODEL_MAKERS, "model.new.tokenizer": MODEL_MAKERS, "data.path": DATA_MAKERS},
    "convert": {"source": MODEL_MAKERS, "lora_base": MODEL_MAKERS},
    "prepare": {"tokenizer": MODEL_MAKERS},
    "sample": {"model": MODEL_MAKERS},
    "serve": {"model": MODEL_MAKERS},
    "inspect": {},
}
"""Kind of job -> its fields that may name a run -> the kinds of job that make what belongs there."""


def references(spec: JobSpec) -> dict[str, str]:
    """Field -> name of a run, of the fields that name one."""
    found = {place: _value(spec, place.split(".")) for place in PLACES[spec.kind]}
    return {
        place: text for place, text in found.items() if isinstance(text, str) and text.startswith(RUN_PREFIX)
    }


def promised(spec: JobSpec) -> frozenset[str]:
    """The names of runs that the job waits for (`queue.after`): what they make need not be there before it
    starts."""
    return frozenset(references(spec).values()) & {RUN_PREFIX + other for other in spec.queue.after}


def renamed(spec: JobSpec, names: dict[str, str]) -> JobSpec:
    """The spec with other names for the runs that it waits for: {"convert": "convert-0003"}."""
    changed = spec
    for place, text in references(spec).items():
        old = text.removeprefix(RUN_PREFIX)
        changed = _replaced(changed, place.split("."), RUN_PREFIX + names.get(old, old))
    after = [names.get(other, other) for other in spec.queue.after]
    return changed.model_copy(update={"queue": spec.queue.model_copy(update={"after": after})})


def _value(spec: Any, path: list[str]) -> Any:
    for name in path:
        spec = getattr(spec, name, None)
    return spec


def _replaced(spec: Any, path: list[str], value: str) -> Any:
    """A copy of a frozen spec with one value inside it changed."""
    name, *rest = path
    inner: Spec | str = _replaced(getattr(spec, name), rest, value) if rest else value
    return spec.model_copy(update={name: inner})
