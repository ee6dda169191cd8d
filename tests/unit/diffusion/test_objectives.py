"""Objectives: the identities that hold for any model, and the edges."""

import copy
import math

import pytest
import torch

from jobs.diffusion.objectives import build_objective, training_loss
from jobs.diffusion.objectives.base import masked_logits, result, token_losses
from jobs.diffusion.objectives.llada import LLaDA
from jobs.diffusion.schedules import SCHEDULES
from jobs.specs.objective import LLaDAObjective, MDLMObjective

from .conftest import MASK, WORDS

ALL = [
    LLaDAObjective(),
    MDLMObjective(),
    MDLMObjective(schedule="cosine", loss_norm_type="sequence"),
    MDLMObjective(loss_weight_type="uniform", loss_norm_type="batch"),
]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(rows: int = 4, length: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(MASK, (rows, length), generator=seeded())
    return ids, torch.ones_like(ids, dtype=torch.bool)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_weight_is_minus_alphas_slope_over_the_chance_of_a_mask(name):
    time = torch.linspace(0.05, 1, 20, dtype=torch.float64, requires_grad=True)
    schedule = SCHEDULES[name]
    alpha = schedule.alpha(time)
    (slope,) = torch.autograd.grad(alpha.sum(), time)
    assert torch.allclose(schedule.weight(time), -slope / (1 - alpha), rtol=1e-4)
    edges = schedule.alpha(torch.tensor([0.0, 1.0]))
    assert torch.allclose(edges, torch.tensor([1.0, 0.0]), atol=1e-6)


@pytest.mark.parametrize("options", ALL[:3], ids=str)
def test_a_model_that_knows_nothing_has_loss_log_v(options):
    """Uniform logits cost log V a token; the weights make every objective's mean exactly that."""
    objective = build_objective(options)
    ids, maskable = batch(rows=64, length=64)
    prompts = None
    total = 0.0
    for seed in range(30):
        noised = objective.noise(ids, maskable, MASK, seeded(seed))
        logits = torch.zeros(int(noised.masked.sum()), WORDS)
        total += objective.loss(logits, ids[noised.masked], noised, maskable, prompts).loss.item()
    assert total / 30 == pytest.approx(math.log(WORDS), rel=0.05)


def test_llada_conversations_are_normalised_by_their_answers():
    """Rows with short and long answers weigh the same."""
    objective = build_objective(LLaDAObjective())
    ids, _ = batch(rows=64, length=64)
    prompts = torch.tensor([8, 56] * 32)
    maskable = torch.arange(64) >= prompts[:, None]
    total = 0.0
    for seed in range(40):
        noised = objective.noise(ids, maskable, MASK, seeded(seed))
        assert not (noised.masked & ~maskable).any()
        logits = torch.zeros(int(noised.masked.sum()), WORDS)
        total += objective.loss(logits, ids[noised.masked], noised, maskable, prompts).loss.item()
    assert total / 40 == pytest.approx(math.log(WORDS), rel=0.05)


@pytest.mark.parametrize("options", ALL, ids=str)
@pytest.mark.parametrize("shifted", [False, True])
def test_a_batch_without_a_mask_has_loss_zero_and_no_nan(options, shifted, make):
    model = copy.deepcopy(make().model)
    ids, maskable = batch()
    lost = training_loss(
        build_objective(options), model, ids, torch.zeros_like(maskable), mask_id=MASK, shifted=shifted
    )
    lost.loss.backward()
    assert lost.loss.item() == 0 and lost.level_count.sum() == 0
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("options", ALL, ids=str)
def test_rows_without_a_mask_do_not_disturb_the_others(options, make):
    ids, maskable = batch()
    maskable[1] = False
    lost = training_loss(
        build_objective(options), make().model, ids, maskable, mask_id=MASK, generator=seeded()
    )
    assert lost.loss.isfinite() and lost.loss > 0


@pytest.mark.parametrize("shifted", [False, True])
def test_only_the_masked_positions_pass_the_vocabulary(shifted, make):
    model = make().model
    ids, maskable = batch()
    maskable[:, 0] = False
    noised = build_objective(MDLMObjective()).noise(ids, maskable, MASK, seeded())
    got = masked_logits(model, noised, shifted)
    full = model(noised.noised_ids).logits
    if shifted:
        full = torch.cat([full[:, :1], full[:, :-1]], 1)
    assert got.shape == (int(noised.masked.sum()), WORDS)
    assert torch.allclose(got, full[noised.masked], atol=1e-5)


def test_position_0_of_a_shifted_model_is_never_trained(make):
    ids, maskable = batch()
    objective = build_objective(LLaDAObjective(time_epsilon=0.999))  # masks nearly everything
    noised = objective.noise(ids, maskable, MASK, seeded())
    with pytest.raises(ValueError, match="position 0 of a shifted model"):
        masked_logits(make().model, noised, shifted=True)
    lost = training_loss(
        objective, make().model, ids, maskable, mask_id=MASK, shifted=True, generator=seeded()
    )
    assert lost.level_count.sum() <= 4 * 15 and bool(maskable.all())


def test_long_batches_go_through_in_parts_with_the_same_gradient():
    logits = torch.randn(37, WORDS, generator=seeded())
    targets = torch.randint(WORDS, (37,), generator=seeded())
    whole, parts = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    token_losses(whole, targets).sum().backward()
    losses = token_losses(parts, targets, chunk=5 * WORDS)
    losses.sum().backward()
    assert torch.allclose(token_losses(logits, targets), losses)
    assert torch.allclose(whole.grad, parts.grad)


def test_levels_count_every_masked_token_in_its_bin():
    ids, maskable = batch(rows=8, length=32)
    noised = build_objective(MDLMObjective()).noise(ids, maskable, MASK, seeded())
    losses = torch.rand(int(noised.masked.sum()), generator=seeded())
    found = result(losses.sum(), losses, noised)
    assert found.level_count.sum() == noised.masked.sum()
    assert found.level_loss.sum() == pytest.approx(losses.sum().item(), rel=1e-5)
    for level in range(8):
        rows = (noised.time > level / 8) & (noised.time <= (level + 1) / 8)
        assert found.level_count[level] == noised.masked[rows].sum()


def test_antithetic_times_fall_one_in_each_part():
    objective = build_objective(MDLMObjective(antithetic=True))
    for seed in range(20):
        time = objective.times(torch.zeros(10, 4), seeded(seed))
        parts = ((time - 1e-3) / (1 - 1e-3) * 10 + 1e-4).floor()
        assert sorted(parts.tolist()) == list(range(10))


def test_the_same_seed_gives_the_same_noise():
    ids, maskable = batch()
    for options in ALL:
        objective = build_objective(options)
        one, two = (objective.noise(ids, maskable, MASK, seeded(5)) for _ in range(2))
        assert torch.equal(one.noised_ids, two.noised_ids) and torch.equal(one.time, two.time)
        assert not torch.equal(one.masked, objective.noise(ids, maskable, MASK, seeded(6)).masked)


def test_llada_cuts_its_share_of_batches_to_a_random_length(make):
    ids, maskable = batch()
    always = LLaDA(LLaDAObjective(random_length_ratio=1.0))
    lengths = {always.crop(ids, seeded(seed)) for seed in range(200)}
    assert lengths == set(range(1, 17))
    assert LLaDA(LLaDAObjective()).crop(ids, seeded()) == 16
    some = LLaDA(LLaDAObjective(random_length_ratio=0.25))
    cut = sum(some.crop(ids, seeded(seed)) < 16 for seed in range(400))
    assert 60 < cut < 130
    lost = training_loss(always, make().model, ids, maskable, mask_id=MASK, generator=seeded(1))
    assert lost.loss.isfinite()


def test_padding_that_must_not_be_seen_is_not_seen(make):
    ids, maskable = batch()
    maskable[:, 10:] = False
    attention = maskable.long()
    other = ids.clone()
    other[:, 10:] = 5
    objective = build_objective(MDLMObjective())
    losses = [
        training_loss(
            objective,
            make().model,
            row,
            maskable,
            mask_id=MASK,
            attention_mask=attention,
            generator=seeded(),
        ).loss.item()
        for row in (ids, other)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
