"""Unlikely tokens taken out, and tokens drawn from what is left."""

import pytest
import torch

from jobs.diffusion.samplers import Draws
from jobs.diffusion.samplers.base import View
from jobs.diffusion.samplers.filters import draw, keep_top_k, keep_top_p

SAYS = torch.tensor([0.15, 0.5, 0.05, 0.3])


def kept(logits: torch.Tensor) -> list[int]:
    return logits.isfinite().nonzero().flatten().tolist()


@pytest.mark.parametrize(
    ("k", "left"), [(1, [1]), (2, [1, 3]), (3, [0, 1, 3]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3])]
)
def test_the_k_likeliest_stay(k, left):
    assert kept(keep_top_k(SAYS.log(), k)) == left


def test_ties_with_the_kth_stay():
    assert kept(keep_top_k(torch.tensor([1.0, 2.0, 1.0, 0.0]), 2)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("p", "left"),
    [(0.01, [1]), (0.49, [1]), (0.51, [1, 3]), (0.79, [1, 3]), (0.81, [0, 1, 3]), (1.0, [0, 1, 2, 3])],
)
def test_the_likeliest_that_together_have_p_stay_with_the_one_that_crosses(p, left):
    assert kept(keep_top_p(SAYS.log(), p)) == left


def drawn(rows: int, temperature: float, top_k=None, top_p=None):
    logits = SAYS.log().expand(rows, 1, 4).clone()
    view = View(torch.tensor([0]), logits, logits.exp())
    draws = Draws(torch.Generator().manual_seed(0))
    return draw(view, temperature, top_k, top_p, draws, torch.zeros(rows, 1, dtype=torch.long))


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p", "expected"),
    [
        (1.0, None, None, [0.15, 0.5, 0.05, 0.3]),
        (0.5, None, None, [0.0616, 0.6849, 0.0068, 0.2466]),  # squares: 225, 2500, 25, 900 of 3650
        (1.0, 2, None, [0, 0.625, 0, 0.375]),
        (1.0, None, 0.6, [0, 0.625, 0, 0.375]),
        (0.5, 3, 0.7, [0, 0.7353, 0, 0.2647]),  # after squaring and top 3, 0.690 does not reach 0.7
        (0.0, 2, None, [0, 1, 0, 0]),
    ],
)
def test_tokens_come_as_often_as_the_shaped_distribution_says(temperature, top_k, top_p, expected):
    tokens, confidence, distribution = drawn(20_000, temperature, top_k, top_p)
    counted = torch.bincount(tokens[:, 0], minlength=4) / len(tokens)
    assert torch.allclose(counted, torch.tensor(expected, dtype=torch.float), atol=0.012)
    if temperature > 0:
        assert torch.allclose(distribution[0, 0], torch.tensor(expected, dtype=torch.float), atol=1e-3)
    assert torch.equal(confidence, distribution.gather(-1, tokens[..., None])[..., 0])


def test_without_temperature_and_filters_the_models_own_probability_is_told():
    tokens, confidence, distribution = drawn(1, 0.0)
    assert tokens.item() == 1 and confidence.item() == pytest.approx(0.5)
    assert distribution.sum().item() == pytest.approx(1.0)
