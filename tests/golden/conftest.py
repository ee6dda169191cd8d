"""Checkpoints of the golden data, each loaded once."""

from collections.abc import Callable

import pytest

from jobs.models.checkpoint import Checkpoint, load
from tests.golden.cases import Case

Loader = Callable[..., Checkpoint]
UNNAMED = {"diffullama": "diffullama"}  # checkpoint -> family, where the folder does not say what it is


@pytest.fixture(scope="session")
def load_case() -> Loader:
    """load_case(case, mask_token_id=None) -> the case's checkpoint in float32."""
    loaded: dict[tuple[str, int | None], Checkpoint] = {}

    def loader(case: Case, mask_token_id: int | None = None) -> Checkpoint:
        key = (str(case.checkpoint), mask_token_id)
        if key not in loaded:
            family = UNNAMED.get(case.checkpoint.name)
            loaded[key] = load(case.checkpoint, "float32", mask_token_id=mask_token_id, family=family)
        return loaded[key]

    return loader
