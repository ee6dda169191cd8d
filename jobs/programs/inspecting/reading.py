"""How a model reads rows and pictures: its vocabulary has the chat template that a training would give it."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from jobs.data.chat import ensure_template
from jobs.data.images import PictureReader
from jobs.models.vocabulary import vocabulary
from jobs.programs.pictures import reader_of
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.job import ModelSpec

KEPT = 4  # vocabularies held ready


def reading(model: ModelSpec, template: str | None = None) -> tuple[Any, DiffusionConfig]:
    """(tokenizer with a chat template, diffusion settings), kept for the next question. `template`: see
    DataSpec.

    Raises: ModelError, SpecError.
    """
    stamp = _stamp(Path(model.path)) if model.path is not None else 0
    return _reading(model.model_dump_json(), template, stamp)


def sight(model: ModelSpec) -> PictureReader | None:
    """How the model reads pictures, kept as well; None for models of text. Raises: ModelError."""
    return _sight(model.model_dump_json(), _stamp(Path(model.path)) if model.path is not None else 0)


def _stamp(folder: Path) -> int:
    return folder.stat().st_mtime_ns if folder.exists() else 0


@lru_cache(maxsize=KEPT)
def _reading(model: str, template: str | None, stamp: int) -> tuple[Any, DiffusionConfig]:
    tokenizer, config = vocabulary(ModelSpec.model_validate(json.loads(model)))
    ensure_template(tokenizer, template)
    return tokenizer, config


@lru_cache(maxsize=KEPT)
def _sight(model: str, stamp: int) -> PictureReader | None:
    return reader_of(ModelSpec.model_validate(json.loads(model)))
