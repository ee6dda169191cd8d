"""Every objective can be looked at, at a noise level that a person chooses, by its own code."""

import pytest
import torch

from jobs.diffusion.level import level_range, noise_at
from jobs.diffusion.objectives import OBJECTIVES, build_objective
from jobs.specs.objective import OBJECTIVES as OPTIONS

MASK = 99
NAMES = [name for name in OBJECTIVES if not OBJECTIVES[name].causal]


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.arange(2 * 512).reshape(2, 512) % 90
    maskable = torch.ones(2, 512, dtype=torch.bool)
    maskable[:, :32] = False
    return ids, maskable


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [0.35, 0.5, 0.75])
def test_the_chosen_share_is_masked_and_nothing_else(name: str, level: float):
    ids, maskable = batch()
    noised = noise_at(build_objective(OPTIONS[name]()), ids, maskable, MASK, level, seed=3)
    assert torch.allclose(noised.p_mask, torch.tensor(level), atol=1e-4)
    share = (noised.masked & maskable).sum() / maskable.sum()
    assert abs(float(share) - level) < 0.06  # 960 draws: three standard deviations are 0.05
    assert not (noised.masked & ~maskable).any()
    assert torch.equal(noised.noised_ids == MASK, noised.masked)


@pytest.mark.parametrize("name", NAMES)
def test_a_higher_level_keeps_the_masks_of_a_lower_one(name: str):
    ids, maskable = batch()
    objective = build_objective(OPTIONS[name]())
    low, high = (noise_at(objective, ids, maskable, MASK, level, seed=5).masked for level in (0.4, 0.6))
    assert (low & ~high).sum() == 0 and high.sum() > low.sum()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_level_that_is_never_drawn_becomes_the_nearest(name: str):
    objective = build_objective(OPTIONS[name]())
    low, high = level_range(objective)
    assert 0 <= low <= high <= 1
    for asked in (0.0, 1.0):
        noised = noise_at(objective, *batch(), MASK, asked, seed=0)
        assert float(noised.p_mask.max()) == pytest.approx(min(max(asked, low), high), abs=1e-4)


def test_the_range_is_the_objectives_own():
    assert level_range(build_objective(OPTIONS["dfactory"]())) == pytest.approx((0.3, 0.8), abs=1e-4)
    clipped = OPTIONS["bd3lm"](noise_range_low=0.45, noise_range_high=0.95)
    assert level_range(build_objective(clipped)) == pytest.approx((0.45, 0.95), abs=1e-4)
