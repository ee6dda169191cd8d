"""Rows of a data spec, good and bad, and the vocabulary that reads them."""

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from jobs.data.builders import build
from jobs.data.chat import ensure_template
from jobs.data.checks.scan import Found, scan, scanned
from jobs.models.vocabulary import vocabulary
from jobs.specs.data import DataSpec
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.job import ModelSpec

KEPT = 4  # vocabularies held ready


def rows_of(data: DataSpec, pictures: bool = True) -> Iterator[Found]:
    """Every row of the source, at most `data.limit`. Raises: DataError, SpecError."""
    return islice(_all(data, pictures), data.limit)


def _all(data: DataSpec, pictures: bool) -> Iterator[Found]:
    if data.path is not None:
        return scan(Path(data.path), pictures)
    name = str(data.builder)
    made = enumerate(build(name, data.options), 1)
    return scanned(((f"builder {name}, row {n}", row) for n, row in made), None, pictures)


def reading(model: ModelSpec) -> tuple[Any, DiffusionConfig]:
    """(tokenizer with a chat template, diffusion settings), kept for the next question.

    Raises: ModelError, SpecError.
    """
    stamp = _stamp(Path(model.path)) if model.path is not None else 0
    tokenizer, config = _reading(model.model_dump_json(), stamp)
    ensure_template(tokenizer)
    return tokenizer, config


def _stamp(folder: Path) -> int:
    return folder.stat().st_mtime_ns if folder.exists() else 0


@lru_cache(maxsize=KEPT)
def _reading(model: str, stamp: int) -> tuple[Any, DiffusionConfig]:
    return vocabulary(ModelSpec.model_validate(json.loads(model)))
