"""What makes Dream's sampler Dream's: shares of the masks by time, and what it is clearest about first."""

import pytest
import torch

from jobs.diffusion.samplers import Draws, Start
from jobs.diffusion.samplers.base import View
from jobs.diffusion.samplers.dream import clearness, due, sample, shaped, shares
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import DreamSampler

from .stub import always, drive

MASK = 3
CONFIG = DiffusionConfig(mask_token_id=MASK)
# The likeliest token, the widest lead and the least entropy are at different positions.
SAYS = torch.tensor([[0.52, 0.46, 0.01, 0.01], [0.5, 0.25, 0.24, 0.01], [0.48, 0.48, 0.03, 0.01]])


def settings(**options) -> DreamSampler:
    return DreamSampler(**{"steps": 3, "max_new_tokens": 3, "temperature": 0.0, "top_p": None, **options})


def start(rows: int = 1, length: int = 3, seed: int = 0) -> Start:
    ids = torch.full((rows, length), MASK)
    return Start(ids, CONFIG, draws=Draws(torch.Generator().manual_seed(seed)))


def view_of(probability: torch.Tensor) -> View:
    return View.of(start(), probability.log()[None], torch.arange(len(probability)))


@pytest.mark.parametrize(
    ("alg", "order"), [("maskgit_plus", [0, 1, 2]), ("topk_margin", [1, 0, 2]), ("entropy", [0, 2, 1])]
)
def test_the_clearest_position_is_written_first(alg, order):
    steps, forwards = drive(sample(start(), settings(alg=alg, quota="dllm")), always(SAYS))
    assert [int(step.revealed[0].nonzero()) for step in steps] == order and len(forwards) == 3


def test_clearness_by_hand():
    view = view_of(SAYS[1:2])
    tokens = torch.tensor([[0]])
    entropy = 0.5 * 0.6931 + 0.25 * 1.3863 + 0.24 * 1.4271 + 0.01 * 4.6052
    for alg, value in {"maskgit_plus": 0.5, "topk_margin": 0.25, "entropy": -entropy}.items():
        assert clearness(view, tokens, alg).item() == pytest.approx(value, abs=1e-3)


def test_temperature_and_filters_shape_what_is_drawn_and_gone_by():
    view = view_of(torch.tensor([[0.4, 0.3, 0.2, 0.1]]))
    assert shaped(view, settings(), MASK).probability[0, 0].tolist() == pytest.approx([0.4, 0.3, 0.2, 0.1])
    hot = shaped(view, settings(temperature=0.5), MASK)
    assert hot.probability[0, 0].tolist() == pytest.approx([16 / 30, 9 / 30, 4 / 30, 1 / 30], abs=1e-5)
    two = shaped(view, settings(top_k=2), MASK)
    assert two.probability[0, 0].tolist() == pytest.approx([4 / 7, 3 / 7, 0, 0], abs=1e-5)
    assert torch.equal(shaped(view, settings(top_p=0.6), MASK).probability, two.probability)


def test_a_filter_that_would_leave_the_mask_alone_leaves_a_word():
    steps, _ = drive(sample(start(), settings(top_k=1)), always(torch.tensor([[0.1, 0.2, 0.1, 0.6]] * 3)))
    assert steps[-1].ids.tolist() == [[1, 1, 1]]


def test_shares_of_time():
    assert shares(4, 1e-3) == pytest.approx([0.24975, 0.33289, 0.49900, 1.0], abs=1e-4)
    assert shares(1, 0.5) == [1.0]


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("row", [[2, 0], [2, 0], [2, 1], [4, 2]]),  # cut off: 2.5 and 0.7, 2.7 and 0.99, 2.99 and 1.5
        ("batch", [[1, 1], [1, 1], [2, 1], [6, 0]]),  # from the mean 6.5; a row never more than it has
        ("dllm", [[2, 1], [3, 1], [2, 1], [3, 0]]),  # rounded, steps without any left out
    ],
)
def test_how_many_a_step_writes(quota, expected):
    taken = list(due(torch.tensor([10, 3]), settings(steps=4, quota=quota)))
    assert [sum(column) for column in zip(*taken, strict=True)] == [10, 3]
    assert taken == expected


def test_by_chance_each_mask_is_written_with_the_share_of_the_step():
    options = settings(alg="origin", steps=4, eps=1e-6)
    steps, _ = drive(sample(start(rows=400, length=3), options), always(SAYS))
    counts = [int(step.revealed.sum()) for step in steps]
    assert sum(counts) == 1200 and counts == pytest.approx([300] * 4, abs=60)


def test_a_step_in_which_chance_writes_nothing_asks_nothing():
    """More steps than masks: no step is empty, and each costs one pass."""
    for alg in ("origin", "entropy"):
        steps, forwards = drive(sample(start(), settings(alg=alg, steps=50)), always(SAYS))
        assert len(steps) == len(forwards) <= 3 and all(step.revealed.any() for step in steps)


def test_positions_are_drawn_at_a_temperature_of_the_algorithm():
    def first(seed: int) -> int:
        options = settings(alg="maskgit_plus", alg_temp=0.1, quota="dllm")
        steps, _ = drive(sample(start(seed=seed), options), always(SAYS))
        return int(steps[0].revealed[0].nonzero())

    share = torch.bincount(torch.tensor([first(seed) for seed in range(600)]), minlength=3) / 600
    assert share.tolist() == pytest.approx((torch.tensor([5.2, 5.0, 4.8]).softmax(0)).tolist(), abs=0.06)
    assert first(1) == first(1)
