"""SEDD's analytic step against the published formulas, and what a model is told of the noise."""

import math

import pytest
import torch

from jobs.diffusion.denoiser import Denoiser
from jobs.diffusion.samplers import Draws, Start
from jobs.diffusion.samplers.sedd import noise_levels, reveal_chance, sample
from jobs.diffusion.unmask import Run, advance, unmask
from jobs.models.dit import DiTConfig, DiTForMaskedLM
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import SEDDSampler
from jobs.specs.samplers.fits import misfit

from .stub import drive

MASK = 3
CONFIG = DiffusionConfig(mask_token_id=MASK, objective="sedd")
OUTPUTS = torch.tensor([0.3, -0.4, 1.1, -torch.inf], dtype=torch.float64)  # the mask last


def start(rows: int) -> Start:
    return Start(torch.full((rows, 1), MASK), CONFIG, draws=Draws(torch.Generator().manual_seed(0)))


def says(outputs: torch.Tensor):
    return lambda ids: outputs.float().expand(*ids.shape, -1).clone()


def published_step(outputs: torch.Tensor, sigma: float, following: float) -> torch.Tensor:
    """[V] the chances of AnalyticPredictor at a masked position, by its own formulas: score, staggered
    score, and transition from the mask."""
    level, jump = torch.tensor(sigma, dtype=torch.float64), sigma - following
    log_score = outputs - torch.expm1(level).log() - math.log(len(outputs) - 1)
    log_score[-1] = 0
    score = log_score.exp()
    staggered = score * math.exp(jump)
    staggered[-1] += (1 - math.exp(jump)) * score.sum()
    transition = torch.full_like(score, 1 - math.exp(-jump))
    transition[-1] = 1
    chances = (staggered * transition).clamp(min=0)  # an argmax over noise never takes a negative one
    return chances / chances.sum()


@pytest.mark.parametrize("offset", [-3.0, -0.5, 0.0, 2.0, 9.0])
@pytest.mark.parametrize(("sigma", "following"), [(6.9, 2.0), (1.2, 1.1), (0.1, 0.001)])
def test_a_step_has_the_published_chances(offset, sigma, following):
    """Also where the scores sum to much too much or too little."""
    outputs = OUTPUTS + offset
    chance = reveal_chance(outputs[None, None], sigma, following)[0, 0]
    ours = outputs.softmax(-1) * chance
    ours[-1] = 1 - chance
    assert torch.allclose(ours, published_step(outputs, sigma, following), atol=1e-12)


def test_words_come_as_often_as_the_steps_say():
    settings = SEDDSampler(steps=2, eps=0.3)
    steps, _ = drive(sample(start(rows=20_000), settings), says(OUTPUTS))
    levels = noise_levels(settings)
    first = published_step(OUTPUTS, levels[0], levels[1])
    second = published_step(OUTPUTS, levels[1], levels[2])
    assert steps[0].revealed.float().mean().item() == pytest.approx(1 - first[-1].item(), abs=0.013)
    written = 1 - (first[-1] * second[-1]).item()
    assert sum(step.revealed.sum().item() for step in steps[:2]) / 20_000 == pytest.approx(written, abs=0.013)
    shares = torch.bincount(steps[-1].ids.flatten(), minlength=4) / 20_000
    assert torch.allclose(shares, OUTPUTS.softmax(-1).float(), atol=0.013), "no mask is left"


def test_the_noise_falls_from_nearly_all_to_nearly_none():
    levels = noise_levels(SEDDSampler(steps=4))
    assert levels[0] == pytest.approx(-math.log(1e-3)) and levels[-1] == pytest.approx(1e-5, rel=0.01)
    assert levels[2] == pytest.approx(-math.log(1 - 0.999 * 0.500005))


def test_a_model_that_takes_the_noise_is_told_it():
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "cond_dim": 8}
    config = DiTConfig(vocab_size=8, mask_token_id=7, time_conditioning=True, initializer_range=0.3, **sizes)
    denoiser = Denoiser(DiTForMaskedLM(config).eval(), DiffusionConfig(mask_token_id=7, objective="sedd"))
    ids = torch.full((2, 6), 7)
    told = [denoiser(ids, sigma=torch.full((2,), level)) for level in (0.1, 3.0)]
    assert not torch.allclose(*told)
    begun = Start(ids, denoiser.config, draws=Draws(torch.Generator().manual_seed(1)))
    runs = [Run(begun, SEDDSampler(steps=8, early_exit=False)) for _ in range(2)]
    assert all(run.asks is not None and run.asks.reads_alone for run in runs)
    advance(denoiser, runs)
    steps = list(unmask(denoiser, begun, SEDDSampler(steps=8, early_exit=False)))
    assert not (steps[-1].ids == 7).any()


def test_it_is_for_models_of_scores_only():
    assert misfit(SEDDSampler(), CONFIG) is None
    other = DiffusionConfig(mask_token_id=MASK, objective="llada")
    assert "for models trained with sedd" in str(misfit(SEDDSampler(), other))
