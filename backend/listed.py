"""What a list of jobs shows and searches of a spec: put into columns once, so that no list reads specs."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from jobs.protocol.folder import RUN_ID

MODEL_PLACES = ("model.path", "model.new.architecture", "model.new.family", "model", "source", "tokenizer")
"""Where the specs of the kinds of job name the model that they are about."""


def listed_columns(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a spec as JSON."""
    return {"model": model_named(spec), "retries": value_at(spec, "queue.retries") or 0}


def model_named(spec: Mapping[str, Any]) -> str:
    """The model that a job is about, by the name that people know: the id of the run that made it, the last
    part of a path, or the text itself (a Hub id, an architecture); empty where there is none."""
    texts = (text for place in MODEL_PLACES if isinstance(text := value_at(spec, place), str))
    text = next(texts, "")
    parts = PurePosixPath(text).parts
    if not parts or parts[0] != "/":
        return text
    return next((part for part in reversed(parts) if RUN_ID.match(part)), parts[-1])


def value_at(spec: Any, place: str) -> Any:
    """What stands in a spec as JSON at a place such as `data.path`; None where there is nothing."""
    for name in place.split("."):
        spec = spec.get(name) if isinstance(spec, Mapping) else None
    return spec
