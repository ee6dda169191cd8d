"""A tiny model that every test of the programs shares."""

import pytest

from jobs.models.create import create
from jobs.specs.diffusion_config import GridShape
from jobs.specs.job import NewModelSpec

SMALL = {"n_embd": 16, "n_layer": 1, "n_head": 2, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}


@pytest.fixture
def text_model():
    """32 positions, letters."""
    spec = NewModelSpec(
        architecture="gpt2",
        config={**SMALL, "n_positions": 32},
        tokenizer="characters:abcdefghijklmnopqrstuvwxyz AU:_\n",
        sampler={"max_new_tokens": 8, "block_size": 8, "steps": 4},
    )
    return create(spec, seed=0)


@pytest.fixture
def grid_model():
    """A 2 x 2 grid of the digits 1 and 2."""
    spec = NewModelSpec(
        architecture="gpt2",
        config=SMALL,
        tokenizer="characters:12",
        grid=GridShape(rows=2, columns=2, box_rows=1, box_columns=2),
    )
    return create(spec, seed=0)
