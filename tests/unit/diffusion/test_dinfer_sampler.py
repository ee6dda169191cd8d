"""dInfer's three rules. By hand, on a model that says the same always."""

import pytest
import torch

from jobs.diffusion.samplers import Draws, Start, Step, dinfer
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import DInferSampler

from .conftest import MASK
from .stub import drive
from .test_fast_dllm_sampler import GIVEN, sure, written


def sampled(chances: list[float], **settings) -> list[Step]:
    """The steps over a mask for each chance; a chance of 1 stands for a given word."""
    ids = torch.tensor([[GIVEN if chance == 1 else MASK for chance in chances]])
    start = Start(ids, DiffusionConfig(mask_token_id=MASK), None, Draws())
    steps, _ = drive(dinfer.sample(start, DInferSampler(**settings)), sure(chances))
    return steps


@pytest.mark.parametrize(
    ("chances", "expected"),
    [
        ([0.99, 0.5, 0.95, 0.7, 0.6], [[0, 2], [3], [4], [1]]),
        ([0.5, 0.5, 0.3], [[0, 1], [2]]),  # as sure as the surest goes with it
    ],
)
def test_threshold(chances, expected):
    assert written(sampled(chances)) == expected


@pytest.mark.parametrize(
    ("chances", "expected"),
    [
        ([0.5, 0.6, 1, 0.7, 0.65], [[1, 3], [0, 4]]),  # one of every gap
        ([0.5, 0.6, 0.95, 0.7, 0.65], [[2], [1, 3], [0, 4]]),  # what is written makes two gaps of one
        ([0.95, 0.93, 1, 0.7], [[0, 1, 3]]),  # the sure ones besides
        ([0.3, 0.35, 1, 0.7], [[3], [1], [0]]),  # a gap that is below the low threshold waits
    ],
)
def test_hierarchy(chances, expected):
    assert written(sampled(chances, parallel_decoding="hierarchy")) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        # After one pass 0.85, 0.84, 0.8, 0.799 count as 0.901, 0.894, 0.865, 0.864, after two the last two as
        # 0.890, 0.889: p (1 + c)^0.7 against 1 - p, with c = p^0.2, then 1.8 p^0.2.
        ({}, [[0, 1], [2, 3]]),
        ({"decay_beta": 0}, [[0, 1], [2], [3]]),  # nothing is kept
        ({"credit_alpha": 0}, [[0], [1], [2], [3]]),  # nothing counts
    ],
)
def test_credit(settings, expected):
    steps = sampled([0.85, 0.84, 0.8, 0.799], parallel_decoding="credit", threshold=0.88, **settings)
    assert written(steps) == expected
    assert steps[0].probability[0, 0].item() == pytest.approx(0.85), "what is told is what the model says"


def test_credit_starts_anew_with_each_block():
    chances = [0.85, 0.8, 0.8, 0.8]
    steps = sampled(chances, parallel_decoding="credit", threshold=0.88, block_size=2)
    # In the first block 0.8 is at 0.890 in its second pass; in the second both begin at 0.865, none sure.
    assert written(steps) == [[0], [1], [2, 3]]
