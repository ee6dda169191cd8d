"""Options of the objectives: each does something, and what it does equals values worked out by hand."""

import math

import pytest
import torch

from jobs.diffusion.objectives import Noised, build_objective, training_loss
from jobs.diffusion.objectives.base import Batch, items, shares
from jobs.diffusion.schedules import SCHEDULES
from jobs.specs.job import TrainSpec
from jobs.specs.objective import OBJECTIVES, BD3LMObjective

from .conftest import MASK

# another value than the default, and what must be set besides for it to matter
OTHER = {
    "random_length_ratio": 1.0,
    "confidence_beta": 2.0,
    "time_epsilon": 0.7,
    "antithetic": True,
    "schedule": "cosine",
    "loss_norm_type": "batch",
    "loss_weight_type": "uniform",
    "geo_p": 0.8,
    "padding_is_context": True,
    "anneal_steps": 7,
    "block_size": 4,
    "noise_per": "sequence",
    "noise_range_low": 0.4,
    "noise_range_high": 0.6,
    "resample": True,
    "block_diffusion": False,
}
BESIDES = {
    "resample": {"noise_range_low": 0.45, "noise_range_high": 0.55},
    "noise_per": {"block_size": 4},
    "block_diffusion": {"block_size": 4},
}
# The collator's options: tests/unit/programs/test_training.py and tests/unit/data/test_encode.py.
NOT_OF_THE_LOSS = {"name", "fill", "cut_answers"}


def options_of() -> list[tuple[str, str]]:
    return [
        (name, o) for name, spec in OBJECTIVES.items() for o in spec.model_fields.keys() - NOT_OF_THE_LOSS
    ]


def loss_of(objective: dict, model: torch.nn.Module) -> float:
    """The loss of one batch, chosen as a training spec chooses it."""
    data = {"kind": "train", "model": {"path": "m"}, "data": {"path": "d.jsonl"}, "objective": objective}
    ids = torch.randint(MASK, (4, 16), generator=torch.Generator().manual_seed(1))
    seen = torch.ones_like(ids)
    seen[:, 13:] = 0
    lost = training_loss(
        build_objective(TrainSpec.parse(data).objective),
        model,
        ids,
        seen.bool(),
        mask_id=MASK,
        attention_mask=seen,
        generator=torch.Generator().manual_seed(5),
        step=2,
    )
    return lost.loss.item()


@pytest.mark.parametrize(("name", "option"), sorted(options_of()))
def test_every_option_reaches_the_loss(name, option, make):
    default = OBJECTIVES[name].model_fields[option].default
    other = not default if isinstance(default, bool) else OTHER[option]
    if other == default:  # the default of this objective is another's alternative
        other = {"loss_norm_type": "sequence"}[option]
    base = {"name": name, **BESIDES.get(option, {})}
    losses = [loss_of(chosen, make().model) for chosen in (base, {**base, option: other})]
    assert losses[0] != pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize(
    ("name", "time", "alpha", "weight"),
    [
        ("linear", 0.25, 0.75, 4.0),  # 1 / t
        ("cosine", 0.5, 1 - math.sqrt(0.5), math.pi / 2),  # pi/2 sin(pi/4) / cos(pi/4)
        ("square_root", 0.25, 0.5, 2.0),  # (1 / (2 sqrt(t))) / sqrt(t) = 1 / (2 t)
    ],
)
def test_schedules_by_hand(name, time, alpha, weight):
    at = torch.tensor(time, dtype=torch.double)
    assert SCHEDULES[name].alpha(at).item() == pytest.approx(alpha, abs=1e-9)
    assert SCHEDULES[name].weight(at).item() == pytest.approx(weight, rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "each"),
    [
        ("token", [1 / 5, 1 / 5, 1 / 5]),  # 5 maskable tokens
        ("sequence", [1 / 2 / 2, 1 / 2 / 2, 1 / 3 / 2]),  # 2 and 3 in a row, 2 rows
        ("batch", [1 / 2, 1 / 2, 1 / 2]),
        ("masked", [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_normalisers_by_hand(kind, each):
    maskable = torch.tensor([[0, 1, 1, 0], [0, 1, 1, 1]]).bool()
    masked = torch.tensor([[0, 1, 1, 0], [0, 0, 1, 0]]).bool()
    level = torch.full((2, 4), 0.5)
    noised = Noised(masked.long(), masked, level, level)
    assert shares(kind, noised, Batch(masked.long(), maskable)).tolist() == pytest.approx(each)
    twice = 2 * items(kind, noised, maskable)  # of a step whose batches have twice as many on average
    assert shares(kind, noised, Batch(masked.long(), maskable, items=twice)).tolist() == pytest.approx(
        [one / 2 for one in each]
    )


def test_clipped_antithetic_times_by_hand(monkeypatch):
    """Two rows of two blocks: the draws (u + i) / 4 mod 1, stretched over the range."""
    from jobs.diffusion.objectives import base

    drawn = torch.tensor([[0.0, 0.2], [0.4, 0.8]])
    monkeypatch.setattr(base, "draw", lambda *_: drawn)
    objective = build_objective(BD3LMObjective(block_size=2, noise_range_low=0.3, noise_range_high=0.8))
    spread = [0.0, 1.2 / 4, 2.4 / 4, 3.8 / 4]
    times = objective.times(torch.zeros(2, 4, dtype=torch.long), None)
    by_hand = [0.3 + 0.5 * u for u in spread]
    assert times[:, ::2].flatten().tolist() == pytest.approx(by_hand)
    assert torch.equal(times[:, ::2], times[:, 1::2])
