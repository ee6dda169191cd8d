"""MDLM's ancestral sampler against exact enumeration on a model of two positions and two words."""

import itertools
from collections import defaultdict

import pytest
import torch
from torch import Tensor

from jobs.diffusion.samplers import Draws, Start
from jobs.diffusion.samplers.mdlm import masked_shares, sample
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import MDLMSampler

from .stub import always, drive

MASK = 2
CONFIG = DiffusionConfig(mask_token_id=MASK)
# says[i][what stands at the other position] = chances of words 0 and 1 at position i
SAYS = torch.tensor([[[0.8, 0.2], [0.1, 0.9], [0.4, 0.6]], [[0.3, 0.7], [0.95, 0.05], [0.7, 0.3]]])
Canvas = tuple[int, int]


def model(ids: Tensor) -> Tensor:
    """[B, 2, 3] logits: each position looks at the other; the mask is as likely as both words."""
    words_B22 = torch.stack([SAYS[0][ids[:, 1]], SAYS[1][ids[:, 0]]], 1)
    return torch.cat([words_B22, torch.ones(len(ids), 2, 1)], -1).log()


def start(rows: int = 1, seed: int = 0, length: int = 2) -> Start:
    ids = torch.full((rows, length), MASK)
    return Start(ids, CONFIG, draws=Draws(torch.Generator().manual_seed(seed)))


def exact(options: MDLMSampler) -> dict[Canvas, float]:
    """The chance of each text, by following every path of the canvas."""
    paths: dict[Canvas, float] = {(MASK, MASK): 1.0}
    last = "draw" if options.predictor == "analytic" else "likeliest"
    rounds = [1 - after / before for before, after in masked_shares(options)]
    for share in [*rounds, last]:
        following: dict[Canvas, float] = defaultdict(float)
        for canvas, chance in paths.items():
            fates = []
            for place in (0, 1):
                words = SAYS[place][canvas[1 - place]].tolist()
                if canvas[place] != MASK:
                    fates.append({canvas[place]: 1.0})
                elif share == "likeliest":
                    fates.append({words.index(max(words)): 1.0})
                elif share == "draw":
                    fates.append(dict(enumerate(words)))
                else:
                    fates.append({MASK: 1 - share, 0: share * words[0], 1: share * words[1]})
            for (a, p), (b, q) in itertools.product(fates[0].items(), fates[1].items()):
                following[a, b] += chance * p * q
        paths = dict(following)
    return {canvas: chance for canvas, chance in paths.items() if chance > 0}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"predictor": "ddpm"},
        {"predictor": "ddpm", "schedule": "cosine"},
        {"predictor": "analytic", "eps": 0.4},
        {"noise_removal": False, "schedule": "square_root"},
        {"precision": "float32"},
        {"eps": 0.4},
    ],
    ids=str,
)
def test_texts_come_as_often_as_they_should(options):
    """With 20000 texts a share is within 0.013 of its chance but for one try in 10000; the seed is fixed."""
    settings = MDLMSampler(steps=3, max_new_tokens=2, **options)
    steps, _ = drive(sample(start(rows=20_000), settings), model)
    texts, counts = steps[-1].ids.unique(dim=0, return_counts=True)
    shares = {
        tuple(text): count / 20_000 for text, count in zip(texts.tolist(), counts.tolist(), strict=True)
    }
    wanted = exact(settings)
    assert sum(wanted.values()) == pytest.approx(1) and set(shares) <= set(wanted)
    for text, chance in wanted.items():
        assert shares.get(text, 0) == pytest.approx(chance, abs=0.013), text


def test_the_options_that_are_compared_differ():
    """So that the test above could not pass with an option that does nothing."""
    plain, early, drawn = (
        exact(MDLMSampler(steps=3, **options))
        for options in ({}, {"eps": 0.4}, {"eps": 0.4, "predictor": "analytic"})
    )
    for one, other in ((plain, early), (early, drawn)):
        assert max(abs(other[text] - one[text]) for text in one) > 0.03


def test_shares_run_from_all_to_next_to_nothing():
    assert masked_shares(MDLMSampler(steps=2, eps=0.1)) == [
        (1.0, pytest.approx(0.55)),
        (pytest.approx(0.55), pytest.approx(0.1)),
    ]
    assert masked_shares(MDLMSampler(steps=2, noise_removal=False)) == [(1.0, 0.5), (0.5, 0.0)]
    cosine = masked_shares(MDLMSampler(steps=2, schedule="cosine", noise_removal=False))
    assert cosine == [(1.0, pytest.approx(0.7071, abs=1e-4)), (pytest.approx(0.7071, abs=1e-4), 0.0)]


@pytest.mark.parametrize("seed", range(3))
def test_the_cache_changes_nothing(seed):
    def run(predictor: str):
        settings = MDLMSampler(steps=64, predictor=predictor, precision="float32")
        return drive(sample(start(seed=seed), settings), model)

    (cached, few), (plain, many) = run("ddpm_cache"), run("ddpm")
    assert [step.ids.tolist() for step in cached] == [step.ids.tolist() for step in plain]
    assert len(few) <= len(cached) + 1 < len(many)


def test_by_default_only_a_step_that_writes_costs_a_pass():
    steps, forwards = drive(sample(start(), MDLMSampler(steps=64)), model)
    assert len(steps) == len(forwards) <= 2 and all(step.revealed.any() for step in steps)


def test_the_authors_analytic_step_has_the_chances_of_their_ddpm_step():
    """_analytic_update by its own formulas, for one masked position: score, staggered score, transition."""
    p = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    before, after = 0.8, 0.6
    sigma, sigma_next = (-torch.log1p(torch.tensor(-m, dtype=torch.float64)) for m in (before, after))
    jump = sigma - sigma_next
    score = torch.cat([p / torch.expm1(sigma), torch.ones(1)])  # the mask last
    staggered = score * jump.exp()
    staggered[-1] += (1 - jump.exp()) * score.sum()
    transition = torch.full((4,), float(1 - (-jump).exp()), dtype=torch.float64)
    transition[-1] = 1
    analytic = staggered * transition
    ddpm = torch.cat([p * (before - after), torch.tensor([after])]) / before
    assert torch.allclose(analytic / analytic.sum(), ddpm)


def test_words_that_were_given_stay():
    ids = torch.tensor([[0, MASK], [MASK, 1], [1, 0]])
    begun = Start(ids, CONFIG, draws=Draws(torch.Generator().manual_seed(0)))
    steps, _ = drive(sample(begun, MDLMSampler(steps=4)), model)
    assert not (steps[-1].ids == MASK).any() and torch.equal(steps[-1].ids[ids != MASK], ids[ids != MASK])


def test_a_token_that_is_not_to_be_written_is_not():
    draws = Draws(torch.Generator().manual_seed(0))
    begun = Start(torch.full((500, 2), MASK), CONFIG, draws=draws, suppress=(1,))
    steps, _ = drive(sample(begun, MDLMSampler(steps=2)), always(torch.tensor([[0.01, 0.99, 0.5]] * 2)))
    assert (steps[-1].ids == 0).all()
