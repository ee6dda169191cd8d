"""Fast-dLLM: how much a pass writes, and what it is fed. By hand, on a model that says the same always."""

import pytest
import torch
from torch import Tensor

from jobs.diffusion.samplers import Draws, Start, fast_dllm
from jobs.protocol.errors import SpecError
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import FastDLLMSampler

from .conftest import MASK, WORDS
from .stub import Model, always, drive

GIVEN = 1


def start(ids: list[list[int]], **config) -> Start:
    caches = {
        "new_cache": lambda capacity: capacity
    }  # the stub keeps none; only who is fed what is looked at
    return Start(torch.tensor(ids), DiffusionConfig(mask_token_id=MASK, **config), None, Draws(), **caches)


def sure(chances: list[float]) -> Model:
    """Gives word 2 each position's chance; the rest is spread over the words behind it."""
    says_LV = torch.zeros(len(chances), WORDS)
    for position, chance in enumerate(chances):
        says_LV[position, 2] = chance
        says_LV[position, 3:MASK] = (1 - chance) / (MASK - 3)
    return always(says_LV)


def written(steps) -> list[list[int]]:
    """The columns that each step wrote in row 0."""
    return [step.revealed[0].nonzero().flatten().tolist() for step in steps]


CHANCES = [0.99, 0.5, 0.95, 0.7, 0.6]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"threshold": 0.7}, [[0, 2, 3], [4], [1]]),  # nothing is left at 0.7, so the surest alone
        ({"threshold": 1.0}, [[0], [2], [3], [4], [1]]),
        # Needed by rank: any, 0.667, 0.75, 0.8, 0.833. The third of 0.99, 0.95, 0.7 falls short.
        ({"factor": 1.0}, [[0, 2], [3], [4], [1]]),
        ({"steps": 2}, [[0, 2, 3], [1, 4]]),  # three, then the other two
        ({"steps": 9}, [[0], [2], [3], [4], [1]]),  # no pass without a token
        ({}, [[0], [2], [3], [4], [1]]),
    ],
)
def test_what_a_pass_writes(settings, expected):
    options = FastDLLMSampler(block_size=8, **settings)
    steps, forwards = drive(fast_dllm.sample(start([[MASK] * 5]), options), sure(CHANCES))
    assert written(steps) == expected and len(forwards) == len(expected)


def test_steps_are_shared_out_over_the_blocks_the_remainder_first():
    options = FastDLLMSampler(block_size=2, steps=3)
    steps, _ = drive(fast_dllm.sample(start([[MASK] * 4]), options), sure(CHANCES[:4]))
    assert written(steps) == [[0], [1], [2, 3]]


def test_factor_counts_ranks_among_the_open_positions_of_each_row():
    options = FastDLLMSampler(block_size=8, factor=1.0)
    rows = start([[MASK] * 5, [GIVEN, GIVEN, GIVEN, MASK, MASK]])
    steps, _ = drive(fast_dllm.sample(rows, options), sure(CHANCES))
    assert [s.revealed[1].nonzero().flatten().tolist() for s in steps] == [[3], [4], [], []]


@pytest.mark.parametrize(("use_cache", "stop"), [("prefix", 7), ("dual", 4)])
def test_the_first_pass_over_a_block_is_fed_all_and_the_later_ones_a_window(use_cache, stop):
    options = FastDLLMSampler(block_size=3, use_cache=use_cache)
    _, forwards = drive(fast_dllm.sample(start([[GIVEN] + [MASK] * 6]), options), sure([0.9] * 7))
    second = slice(4, 7)
    assert [f.feed for f in forwards] == [None, slice(1, stop), slice(1, stop), None, second, second]
    assert all(f.cache == 7 for f in forwards)


def test_without_a_cache_nothing_is_kept():
    _, forwards = drive(fast_dllm.sample(start([[MASK] * 4]), FastDLLMSampler(block_size=2)), sure([0.9] * 4))
    assert all(f.feed is None and f.cache is None for f in forwards)


def test_a_shifted_model_writes_what_its_window_cannot_see_first():
    """The output for position 1 stands at position 0, which no window of the block is fed."""
    options = FastDLLMSampler(block_size=4, use_cache="dual", threshold=0.1)
    steps, forwards = drive(
        fast_dllm.sample(start([[GIVEN] + [MASK] * 4], shifted_logits=True), options), sure([0.9] * 5)
    )
    assert written(steps) == [[1], [2, 3, 4]]
    assert all(f.feed is None or int(f.at.min()) > f.feed.start for f in forwards)
    given_first = start([[GIVEN, MASK, GIVEN, MASK, MASK]], shifted_logits=True)
    options = FastDLLMSampler(block_size=1, use_cache="dual", threshold=0.1)
    steps, forwards = drive(fast_dllm.sample(given_first, options), sure([0.9] * 5))
    assert written(steps) == [[1], [3], [4]] and len(forwards) == 3


def test_rows_whose_blocks_stand_elsewhere_are_filled_one_kind_after_the_other():
    ids = [[GIVEN, MASK, MASK, MASK], [MASK, MASK, GIVEN, GIVEN], [GIVEN, MASK, GIVEN, MASK], [GIVEN] * 4]
    options = FastDLLMSampler(block_size=8, use_cache="dual", threshold=0.1)
    steps, forwards = drive(fast_dllm.sample(start(ids), options), sure([0.9] * 4))
    assert [len(f.ids) for f in forwards] == [2, 1], "the first and third row, then the second"
    assert written(steps) == [[1, 2, 3], []]
    assert not (steps[-1].ids == MASK).any()
    together, _ = drive(
        fast_dllm.sample(start(ids), options.model_copy(update={"use_cache": "none"})), sure([0.9] * 4)
    )
    assert torch.equal(together[-1].ids, steps[-1].ids)


def test_details_of_some_rows_are_told_among_all():
    ids = [[GIVEN, MASK, MASK, MASK], [MASK, MASK, GIVEN, GIVEN]]
    begun = start(ids)
    begun = Start(begun.ids, begun.config, want_details=True, new_cache=begun.new_cache)
    options = FastDLLMSampler(block_size=8, use_cache="prefix", threshold=0.1)
    steps, _ = drive(fast_dllm.sample(begun, options), sure([0.9] * 4))
    first: Tensor | None = steps[0].entropy
    assert first is not None and first.isnan().tolist() == [False, True]
    assert steps[0].candidate_ids is not None and steps[0].candidate_ids.shape == (3, 5)
    assert steps[0].probability[0].tolist() == pytest.approx([0, 0.9, 0.9, 0.9])
    assert not steps[0].probability[1].any()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"threshold": 0.9, "steps": 8}, "steps and threshold"),
        ({"threshold": 0.9, "factor": 1.0}, "threshold and factor"),
        ({"remasking": "random", "factor": 1.0}, "set steps instead"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(settings, says):
    with pytest.raises(SpecError, match=says):
        FastDLLMSampler.parse(settings)


def test_a_window_on_a_model_that_attends_by_blocks_is_refused():
    options = FastDLLMSampler(use_cache="dual")
    with pytest.raises(SpecError, match="blocks of 4: set use_cache to none"):
        drive(fast_dllm.sample(start([[MASK] * 4], block_size=4), options), sure([0.9] * 4))
