"""LocalLeap: anchors, and what is near to them. By hand, on a model that says the same always."""

import pytest
import torch

from jobs.diffusion.samplers import Draws, Start, local_leap
from jobs.protocol.errors import SpecError
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import LocalLeapSampler

from .conftest import MASK
from .stub import drive
from .test_fast_dllm_sampler import GIVEN, sure, written


def sampled(chances: list[float], **settings) -> list[list[int]]:
    """The columns of each step over a mask for each chance; a chance of 1 stands for a given word."""
    ids = torch.tensor([[GIVEN if chance == 1 else MASK for chance in chances]])
    start = Start(ids, DiffusionConfig(mask_token_id=MASK), None, Draws())
    return written(drive(local_leap.sample(start, LocalLeapSampler(**settings)), sure(chances))[0])


@pytest.mark.parametrize(
    ("chances", "expected"),
    [
        # 0 is an anchor; 1 and 2 are within two positions, 3 is as sure but too far. Then there is no anchor
        # any more, and the surest goes alone.
        ([0.95, 0.8, 0.8, 0.81, 0.5, 0.76], [[0, 1, 2], [3], [5], [4]]),
        ([0.8, 0.5, 0.95, 0.7, 0.8], [[0, 2, 4], [3], [1]]),  # to both sides; near alone is not enough
        ([0.95, 1, 1, 0.8], [[0], [3]]),  # distance is counted on the canvas, given words and all
        ([0.8, 0.79, 0.78], [[0], [1], [2]]),  # no anchor, no relaxation
        ([0.8, 0.95, 0.8, 0.8, 0.95], [[0, 1, 2, 3, 4]]),
    ],
)
def test_what_a_pass_writes(chances, expected):
    assert sampled(chances, radius=2) == expected


def test_an_anchor_does_not_reach_into_the_next_block():
    assert sampled([0.95, 0.8, 0.8], block_size=2) == [[0, 1], [2]]


def test_a_relaxed_threshold_above_the_threshold_is_refused():
    with pytest.raises(SpecError, match="must not be above threshold"):
        LocalLeapSampler.parse({"threshold": 0.7, "relaxed_threshold": 0.8})
