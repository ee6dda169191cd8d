"""SDAR's four ways to choose what a pass writes, each by hand."""

import pytest
import torch

from jobs.diffusion.samplers import Draws, Start
from jobs.diffusion.samplers.sdar import sample
from jobs.protocol.errors import SpecError
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import SDARSampler

from .stub import always, drive

MASK = 3
CONFIG = DiffusionConfig(mask_token_id=MASK, block_size=4)
# entropies in nats: 0.95, 0.01, 0.69 and 0.33; likeliest words 0.6, 0.998, 0.5 and 0.9
SAYS = torch.tensor(
    [[0.6, 0.2, 0.2, 0.0], [0.998, 0.002, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0], [0.9, 0.1, 0.0, 0.0]]
)


def columns_of(options: dict, *rows: list[int]) -> list[list[list[int]]]:
    """Which columns each pass wrote, a row after the other."""
    start = Start(torch.tensor(rows), CONFIG, draws=Draws(torch.Generator().manual_seed(0)))
    chosen = SDARSampler(**{"use_cache": "none", "temperature": 0.0, **options})
    steps, _ = drive(sample(start, chosen), always(SAYS))
    assert not (steps[-1].ids == MASK).any()
    return [[row.nonzero().flatten().tolist() for row in step.revealed] for step in steps]


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        ({"remasking": "sequential"}, [[0], [1], [2], [3]]),
        ({"remasking": "sequential", "steps_per_block": 3}, [[0, 1], [2], [3]]),
        ({"remasking": "low_confidence_static"}, [[1], [3], [0], [2]]),
        ({"remasking": "low_confidence_static", "steps_per_block": 2}, [[1, 3], [0, 2]]),
        ({"remasking": "low_confidence_dynamic", "threshold": 0.85}, [[1, 3], [0], [2]]),
        ({"remasking": "low_confidence_dynamic", "threshold": 0.55}, [[0, 1, 3], [2]]),
        ({"remasking": "low_confidence_dynamic", "threshold": 0.99, "steps_per_block": 2}, [[1, 3], [0, 2]]),
        ({"remasking": "entropy_bounded", "eb_threshold": 0.3}, [[1], [3], [2], [0]]),
        ({"remasking": "entropy_bounded", "eb_threshold": 0.4}, [[1, 3], [2], [0]]),  # 0.01 + 0.33 < 0.4
        ({"remasking": "entropy_bounded", "eb_threshold": 1.1}, [[1, 2, 3], [0]]),  # and 0.69
        ({"remasking": "entropy_bounded", "eb_threshold": 0.0}, [[1], [3], [2], [0]]),  # one in any case
    ],
)
def test_each_strategy_writes_what_it_should(options, passes):
    assert columns_of(options, [MASK] * 4) == [[p] for p in passes]


@pytest.mark.parametrize("remasking", SDARSampler.model_json_schema()["properties"]["remasking"]["enum"])
def test_what_is_given_is_never_written_over_and_rows_go_their_own_way(remasking):
    """One mask, where four are due: the published code would take three positions of the prompt too."""
    due = {} if remasking == "entropy_bounded" else {"steps_per_block": 1}
    first, *_ = columns_of({"remasking": remasking, **due}, [0, 1, MASK, 2], [MASK] * 4)
    assert first[0] == [2] and first[1]


def test_confidence_is_what_temperature_and_filters_leave():
    """At temperature 0.5 the odds are squared: 0.9 against 0.1 becomes 81 to 1."""
    options = {"remasking": "low_confidence_dynamic", "threshold": 0.95, "temperature": 0.5, "top_k": 2}
    first, *_ = columns_of(options, [MASK] * 4)
    assert first == [[1, 3]]


def test_passes_that_a_strategy_does_not_count_are_refused():
    with pytest.raises(SpecError, match="steps_per_block has no part in entropy_bounded.*leave it out"):
        SDARSampler.parse({"remasking": "entropy_bounded", "steps_per_block": 2})


def test_at_a_temperature_tokens_are_drawn():
    """Half the time the other word, where both are as likely."""
    start = Start(torch.full((2000, 4), MASK), CONFIG, draws=Draws(torch.Generator().manual_seed(1)))
    options = SDARSampler(use_cache="none", remasking="low_confidence_static", steps_per_block=1)
    steps, _ = drive(sample(start, options), always(SAYS))
    share = (steps[-1].ids == 1).float().mean(0).tolist()
    assert share == pytest.approx([0.2, 0.002, 0.5, 0.1], abs=0.04)
