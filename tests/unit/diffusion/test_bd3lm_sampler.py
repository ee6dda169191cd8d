"""BD3-LM's sampler draws from the model's own distribution: by hand, and by counting."""

import pytest
import torch
from torch import Tensor

from jobs.diffusion.samplers import Draws, Start
from jobs.diffusion.samplers import bd3lm as engine
from jobs.diffusion.samplers.base import View
from jobs.diffusion.samplers.bd3lm import nucleus, repeats, sample
from jobs.protocol.errors import SpecError
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import BD3LMSampler

from .stub import always, drive

MASK, EOS = 2, 1
CONFIG = DiffusionConfig(mask_token_id=MASK, block_size=2)
# the probabilities of the four texts of two words: far from a product, so that order and dependence show
JOINT = torch.tensor([[0.45, 0.05], [0.1, 0.4]])
PRODUCT = JOINT.sum(1)[:, None] * JOINT.sum(0)


def joint_model(ids: Tensor) -> Tensor:
    """The exact conditional of each masked word of a text of two, given the other if it is there."""
    first, second = ids[:, 0], ids[:, 1]
    given_second = (JOINT / JOINT.sum(0)).T[second.clamp(max=1)]
    given_first = (JOINT / JOINT.sum(1, keepdim=True))[first.clamp(max=1)]
    says = torch.zeros(len(ids), 2, 3)
    says[:, 0, :2] = torch.where(second[:, None] == MASK, JOINT.sum(1), given_second)
    says[:, 1, :2] = torch.where(first[:, None] == MASK, JOINT.sum(0), given_first)
    return says.log()


def started(rows: int, length: int, seed: int = 0, **more) -> Start:
    draws = Draws(torch.Generator().manual_seed(seed))
    return Start(torch.full((rows, length), MASK), CONFIG, draws=draws, **more)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, JOINT),  # one after the other: the joint distribution itself
        (
            {"first_hitting": False, "steps_per_block": 1},
            PRODUCT,
        ),  # all at once: the words know nothing of each other
        ({"first_hitting": False, "steps_per_block": 2}, (JOINT + PRODUCT) / 2),  # both at once half the time
        ({"first_hitting": False, "steps_per_block": 5}, 0.8 * JOINT + 0.2 * PRODUCT),
    ],
)
def test_texts_come_as_often_as_the_steps_imply(options, expected):
    steps, _ = drive(sample(started(20_000, 2), BD3LMSampler(use_cache="none", **options)), joint_model)
    codes = steps[-1].ids[:, 0] * 2 + steps[-1].ids[:, 1]
    counted = torch.bincount(codes, minlength=4).view(2, 2) / len(codes)
    assert torch.allclose(counted, expected, atol=0.012)  # more than three standard deviations


def test_positions_are_revealed_in_random_order_one_a_pass():
    """Each of the six orders of three positions as often as the others."""
    start = started(6000, 3)
    says = torch.full((3, 3), 1 / 3)
    steps, forwards = drive(sample(start, BD3LMSampler(use_cache="none", block_size=3)), always(says))
    assert len(steps) == len(forwards) == 3
    assert all((step.revealed.sum(1) == 1).all() for step in steps)
    orders = torch.stack([step.revealed.int().argmax(1) for step in steps], 1) @ torch.tensor([9, 3, 1])
    _, counts = orders.unique(return_counts=True)
    assert len(counts) == 6 and ((counts - 1000).abs() < 130).all()


def test_steps_in_which_nothing_is_revealed_cost_no_pass():
    options = BD3LMSampler(use_cache="none", first_hitting=False, steps_per_block=1000, block_size=4)
    steps, forwards = drive(sample(started(1, 8), options), always(torch.full((8, 3), 1 / 3)))
    assert len(forwards) == len(steps) == 8 and [step.block for step in steps] == [0] * 4 + [1] * 4


def test_rows_whose_times_differ_share_their_passes():
    """Each row's next positions, whenever their time is: a batch takes as many passes as its slowest row."""
    options = BD3LMSampler(use_cache="none", block_size=4)
    _, forwards = drive(sample(started(50, 4), options), always(torch.full((4, 3), 1 / 3)))
    assert len(forwards) == 4


@pytest.mark.parametrize(
    ("p", "kept"),
    [(1.0, [0, 1, 2, 3]), (0.95, [0, 1, 2]), (0.8, [0, 1]), (0.79, [0]), (0.5, [0]), (0.1, [0])],
)
def test_the_nucleus_leaves_what_adds_up_to_p_and_the_likeliest(p, kept):
    """0.5, 0.3, 0.15, 0.05: the published rule leaves out the token that crosses p."""
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()[None, None]
    left = nucleus(View(torch.tensor([0]), logits, logits.exp()), p + 1e-6 if p < 1 else p)
    assert left.logits[0, 0].isfinite().nonzero().flatten().tolist() == kept
    assert left.probability is not None and torch.equal(left.probability, logits.exp())


def test_the_nucleus_is_what_is_drawn_from():
    says = torch.tensor([[0.6, 0.3, 0.1], [0.4, 0.5, 0.1]])
    steps, _ = drive(sample(started(200, 2), BD3LMSampler(use_cache="none", nucleus_p=0.65)), always(says))
    assert (steps[-1].ids == torch.tensor([0, 1])).all()


def test_a_text_repeats_itself_when_its_last_words_are_few(monkeypatch):
    monkeypatch.setattr(engine, "WINDOW", 4)
    monkeypatch.setattr(engine, "LEAST_ENTROPY", 1.0)
    ids = torch.tensor([[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 3, 3], [3, 3, 3, 3, 3, 3]])
    whole = torch.ones_like(ids, dtype=torch.bool)
    assert repeats(ids, whole).tolist() == [False, True, True]
    assert repeats(ids, whole & (torch.arange(6) < 4)).tolist() == [False] * 3, "not before it is longer"


def test_a_text_that_repeats_itself_is_ended_and_the_others_go_on(monkeypatch):
    monkeypatch.setattr(engine, "WINDOW", 2)
    monkeypatch.setattr(engine, "LEAST_ENTROPY", 0.5)
    config = DiffusionConfig(mask_token_id=4, block_size=2)
    ids = torch.full((2, 8), 4)
    start = Start(ids, config, draws=Draws(torch.Generator().manual_seed(0)), eos_id=EOS)
    same = torch.tensor([[1.0, 0, 0, 0, 0]] * 8)
    changing = torch.eye(5)[[0, 2, 3, 0, 2, 3, 0, 2]]
    says = torch.stack([same, changing]).log()
    options = BD3LMSampler(use_cache="none", var_length=True)
    steps, _ = drive(sample(start, options), lambda seen: says[:, : seen.shape[1]].clone())
    assert steps[-1].ids.tolist() == [[0, 0, 0, 0, EOS, EOS, EOS, EOS], [0, 2, 3, 0, 2, 3, 0, 2]]
    assert steps[-1].closed.tolist() == [[False] * 4 + [True] * 4, [False] * 8]


def test_a_text_that_cannot_be_ended_is_refused():
    options = BD3LMSampler(use_cache="none", var_length=True)
    with pytest.raises(SpecError, match="this model names none"):
        next(sample(started(1, 4), options))
    gap = Start(torch.tensor([[0, MASK, 0, MASK]]), CONFIG, eos_id=EOS)
    with pytest.raises(SpecError, match="words stand behind the gaps"):
        next(sample(gap, options))


def test_steps_have_no_part_in_first_hitting():
    with pytest.raises(
        SpecError, match="steps_per_block has no part in first_hitting.*turn first_hitting off"
    ):
        BD3LMSampler.parse({"steps_per_block": 10})
