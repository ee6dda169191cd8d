"""Fast-dLLM for Dream: its limit, its clock, its measure. By hand, on a model that says the same always."""

import pytest
import torch

from jobs.diffusion.samplers import Draws, Start, fast_dllm_dream
from jobs.protocol.errors import SpecError
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import FastDLLMDreamSampler

from .conftest import MASK
from .stub import Model, always, drive
from .test_fast_dllm_sampler import sure, written

CHANCES = [0.99, 0.5, 0.95, 0.7, 0.6, 0.65]


def sampled(model: Model, length: int, **settings) -> list[list[int]]:
    start = Start(torch.full((1, length), MASK), DiffusionConfig(mask_token_id=MASK), None, Draws())
    options = FastDLLMDreamSampler(block_size=32, **settings)
    steps, _ = drive(fast_dllm_dream.sample(start, options), model)
    return written(steps)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"threshold": 0.62}, [[0, 2, 3, 5], [4], [1]]),
        # Two a pass. The second pass is not sure of 5, so the third may write three but is sure of none; then
        # the steps are over and there is only what was left.
        ({"threshold": 0.8, "steps": 3}, [[0, 2], [3], [5], [4], [1]]),
        ({"threshold": 0.4, "steps": 3}, [[0, 2], [3, 5], [1, 4]]),
        ({"threshold": 0.4, "steps": 4}, [[0], [2], [3], [5], [4], [1]]),  # 6 // 4 is one
        ({"threshold": 0.9, "top_k": 1}, [[0, 1, 2, 3, 4, 5]]),  # of one token left, each is certain
        ({"threshold": None}, [[0], [2], [3], [5], [4], [1]]),
    ],
)
def test_what_a_pass_writes(settings, expected):
    assert sampled(sure(CHANCES), 6, **settings) == expected


def test_the_clock_gives_the_first_steps_less():
    """The shares of four steps from time 1 to 0.001 are 0.250, 0.333, 0.499 and all, cut to whole ones."""
    falling = sure([0.9 - place / 100 for place in range(8)])
    assert [len(of) for of in sampled(falling, 8, threshold=None, steps=4)] == [1, 2, 2, 3]


def test_without_a_threshold_the_lowest_entropy_goes_first_not_the_likeliest_token():
    says_LV = torch.zeros(2, MASK + 1)
    says_LV[0, [2, 3]] = torch.tensor([0.55, 0.45])
    says_LV[1, 2], says_LV[1, 3:MASK] = 0.6, 0.4 / (MASK - 3)
    model = always(says_LV)
    assert sampled(model, 2, threshold=None) == [[0], [1]]
    assert sampled(model, 2) == [[1], [0]]


def test_a_limit_on_a_threshold_with_a_cache_is_refused():
    with pytest.raises(SpecError, match="leave out steps"):
        FastDLLMDreamSampler.parse({"steps": 8, "use_cache": "dual"})
