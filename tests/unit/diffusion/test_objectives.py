"""Objectives: the identities that hold for any model, and the edges."""

import copy

import pytest
import torch

from jobs.diffusion.objectives import OBJECTIVES, Batch, build_objective, training_loss
from jobs.diffusion.objectives.base import by_level, masked_logits
from jobs.diffusion.objectives.llada import LLaDA
from jobs.diffusion.schedules import SCHEDULES
from jobs.protocol.errors import SpecError
from jobs.specs.objective import OBJECTIVES as OPTIONS
from jobs.specs.objective import (
    BD3LMObjective,
    DDMObjective,
    DDMSFTObjective,
    DFactoryObjective,
    DreamObjective,
    LLaDAObjective,
    MDLMObjective,
)

from .conftest import MASK, WORDS

BOUNDS = [  # their loss is a bound on the likelihood of a token
    LLaDAObjective(),
    LLaDAObjective(antithetic=True),
    MDLMObjective(),
    MDLMObjective(schedule="cosine", loss_norm_type="sequence"),
    MDLMObjective(schedule="square_root"),
    DreamObjective(loss_weight_type="scheduler"),
    DDMObjective(loss_norm_type="token"),
    BD3LMObjective(block_size=5),
    BD3LMObjective(block_size=8, noise_per="sequence", loss_norm_type="sequence"),
]
OTHERS = [
    MDLMObjective(loss_weight_type="uniform", loss_norm_type="batch"),
    DreamObjective(),
    DDMObjective(),
    DDMSFTObjective(),
    BD3LMObjective(block_size=4, noise_range_low=0.45, noise_range_high=0.95, resample=True),
    DFactoryObjective(block_size=8),
    DFactoryObjective(block_diffusion=False),
    DFactoryObjective(confidence_beta=2.0),
]
ALL = BOUNDS + OTHERS


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


def mean_weight(options, prompts=None, rows=64, length=64, draws=40) -> float:
    """The loss of a model whose every token costs 1, on the average of many draws."""
    objective = build_objective(options)
    ids, maskable = batch(rows, length)
    if prompts is not None:
        maskable = torch.arange(length) >= prompts[:, None]
    total = 0.0
    for seed in range(draws):
        noised = objective.noise(ids, maskable, MASK, seeded(seed))
        assert not (noised.masked & ~maskable).any()
        total += objective.weights(noised, Batch(ids, maskable, prompts)).sum().item()
    return total / draws


@pytest.mark.parametrize("options", BOUNDS, ids=str)
def test_a_bound_counts_each_token_once(options):
    """A model that knows nothing pays log V a token: the weights add up to 1 in the mean."""
    assert mean_weight(options) == pytest.approx(1, rel=0.05)


def test_llada_conversations_are_normalised_by_their_answers():
    """Rows with short and long answers weigh the same."""
    prompts = torch.tensor([8, 56] * 32)
    assert mean_weight(LLaDAObjective(), prompts) == pytest.approx(1, rel=0.05)


def test_dfactory_takes_the_mean_over_masked_tokens():
    assert mean_weight(DFactoryObjective()) == pytest.approx(1, rel=1e-5)
    ids, maskable = batch(rows=400, length=64)
    noised = build_objective(DFactoryObjective()).noise(ids, maskable, MASK, seeded())
    assert noised.time.min() >= 0.3 and noised.time.max() <= 0.8
    assert noised.masked.float().mean() == pytest.approx(0.55, abs=0.02)


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


def test_levels_count_every_masked_token_in_its_bin():
    ids, maskable = batch(rows=8, length=32)
    noised = build_objective(MDLMObjective()).noise(ids, maskable, MASK, seeded())
    losses = torch.rand(int(noised.masked.sum()), generator=seeded())
    sums, counts = by_level(losses, noised.time[noised.masked])
    assert counts.sum() == noised.masked.sum()
    assert sums.sum() == pytest.approx(losses.sum().item(), rel=1e-5)
    for level in range(8):
        inside = (noised.time > level / 8) & (noised.time <= (level + 1) / 8)
        assert counts[level] == (noised.masked & inside).sum()


@pytest.mark.parametrize("name", [n for n in OBJECTIVES if not OBJECTIVES[n].causal])
def test_antithetic_times_fall_one_in_each_part(name):
    options = OPTIONS[name](antithetic=True)
    objective = build_objective(options)
    low = getattr(options, "noise_range_low", 1e-3)
    high = getattr(options, "noise_range_high", 1.0)
    ids, maskable = batch(rows=10, length=16)
    for seed in range(10):
        time = objective.noise(ids, maskable, MASK, seeded(seed)).time[:, 0]
        parts = ((time - low) / (high - low) * 10 + 1e-4).floor()
        assert sorted(parts.tolist()) == list(range(10))


def test_each_block_has_a_time_of_its_own_and_its_levels_tell():
    ids, maskable = batch(rows=6, length=20)
    noised = build_objective(BD3LMObjective(block_size=8)).noise(ids, maskable, MASK, seeded())
    for start in (0, 8, 16):
        assert (noised.time[:, start : start + 8].diff() == 0).all()
    assert len(noised.time.unique()) == 18
    one = build_objective(BD3LMObjective(block_size=8, noise_per="sequence"))
    assert len(one.noise(ids, maskable, MASK, seeded()).time.unique()) == 6


def test_clipped_blocks_are_drawn_again_until_their_share_fits():
    options = BD3LMObjective(block_size=8, noise_range_low=0.3, noise_range_high=0.8, resample=True)
    ids, maskable = batch(rows=64, length=32)
    shares = build_objective(options).noise(ids, maskable, MASK, seeded()).masked.unflatten(1, (4, 8))
    inside = (shares.float().mean(-1) >= 0.3) & (shares.float().mean(-1) <= 0.8)
    assert inside.float().mean() > 0.99
    free = options.model_copy(update={"resample": False})
    loose = build_objective(free).noise(ids, maskable, MASK, seeded()).masked.unflatten(1, (4, 8))
    assert ((loose.float().mean(-1) < 0.3) | (loose.float().mean(-1) > 0.8)).any()


def test_clipped_to_high_noise_every_masked_token_counts_the_same():
    options = BD3LMObjective(noise_range_low=0.6, noise_range_high=0.9, loss_norm_type="masked")
    assert mean_weight(options, draws=2) == pytest.approx(1, rel=1e-5)


def test_a_range_that_does_not_rise_is_refused():
    with pytest.raises(SpecError, match="noise_range_low must be smaller"):
        DFactoryObjective.parse({"noise_range_low": 0.8, "noise_range_high": 0.3})


def test_cart_does_not_read_padding_unless_told_to():
    ids, maskable = batch(rows=2, length=12)
    attention = torch.ones_like(ids)
    attention[:, 8:] = 0
    maskable[:, 8:] = False
    short = Batch(ids[:, :8], maskable[:, :8])
    padded = Batch(ids, maskable, attention_mask=attention)
    ours, theirs = build_objective(DreamObjective()), build_objective(DreamObjective(padding_is_context=True))
    noised = ours.noise(ids, maskable, MASK, seeded())
    cut = type(noised)(*(getattr(noised, f)[:, :8] for f in ("noised_ids", "masked", "p_mask", "time")))
    assert torch.allclose(ours.weights(noised, padded), ours.weights(cut, short))
    assert (theirs.weights(noised, padded) > ours.weights(noised, padded)).all()


def test_annealing_opens_the_future_bit_by_bit(make):
    ids, maskable = batch(rows=2, length=24)
    objective = build_objective(DDMObjective(anneal_steps=100))
    noised = objective.noise(ids, maskable, MASK, seeded())
    opened = []
    for step in (0, 24, 49, 98):
        keep = objective.view(noised, Batch(ids, maskable), step, seeded(1)).pattern.dense()[0, 0]
        assert keep.tril().sum() == 24 * 25 / 2  # the past is always open
        opened.append(keep.triu(1).float().sum().item() / (24 * 23 / 2))
    assert opened == sorted(opened) and opened[0] < 0.1 and opened[-1] > 0.9
    for step in (99, 5000, None):
        assert objective.view(noised, Batch(ids, maskable), step, seeded()).pattern.rule is None
    losses = [
        training_loss(objective, make().model, ids, maskable, mask_id=MASK, generator=seeded(), step=step)
        for step in (0, None)
    ]
    assert losses[0].loss != losses[1].loss


@pytest.mark.parametrize("options", [BD3LMObjective(block_size=4), DFactoryObjective(block_size=4)], ids=str)
def test_a_block_does_not_see_what_comes_after_it(options, make):
    """Changing a later block changes no loss of an earlier one; changing an earlier one does."""
    ids, maskable = batch(rows=3, length=16)
    maskable[:, 8:] = False
    maskable[:, :4] = False  # only the second block is trained
    objective = build_objective(options)

    def loss(changed: slice) -> float:
        other = ids.clone()
        other[:, changed] = (other[:, changed] + 1) % MASK
        return training_loss(
            objective, make().model, other, maskable, mask_id=MASK, generator=seeded()
        ).loss.item()

    assert loss(slice(0, 0)) == pytest.approx(loss(slice(8, 16)), rel=1e-5)
    assert abs(loss(slice(0, 0)) - loss(slice(0, 4))) > 1e-3


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
