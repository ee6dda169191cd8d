"""What makes DiffuLLaMA's sampler DiffuLLaMA's: even chances, ranks anew, a mask that is a word."""

import pytest
import torch

from jobs.diffusion.samplers import Draws, Start
from jobs.diffusion.samplers.diffullama import sample
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import DiffuLLaMASampler

from .stub import always, drive

MASK = 3
CONFIG = DiffusionConfig(mask_token_id=MASK)
SAYS = torch.tensor(
    [[0.7, 0.1, 0.1, 0.1], [0.1, 0.6, 0.1, 0.2], [0.2, 0.2, 0.5, 0.1], [0.1, 0.8, 0.05, 0.05]]
)


def settings(**options) -> DiffuLLaMASampler:
    return DiffuLLaMASampler(
        **{"steps": 4, "max_new_tokens": 4, "temperature": 0.0, "top_p": None, **options}
    )


def start(rows: int = 1, seed: int = 0, length: int = 4) -> Start:
    ids = torch.full((rows, length), MASK)
    return Start(ids, CONFIG, draws=Draws(torch.Generator().manual_seed(seed)))


def places(step) -> list[int]:
    return step.revealed[0].nonzero().flatten().tolist()


def test_at_random_each_step_writes_an_equal_share():
    steps, _ = drive(sample(start(rows=400), settings(alg="random")), always(SAYS))
    counts = [int(step.revealed.sum()) for step in steps]
    assert sum(counts) == 1600 and counts == pytest.approx([400] * 4, abs=70)


def test_a_step_that_writes_nothing_costs_no_pass():
    for alg in ("random", "topk"):
        steps, forwards = drive(sample(start(), settings(alg=alg, steps=40)), always(SAYS))
        assert len(steps) == len(forwards) <= 4


def test_topk_writes_the_likeliest_tokens_first():
    steps, _ = drive(sample(start(), settings(alg="topk")), always(SAYS))
    assert [places(step) for step in steps] == [[3], [0], [1], [2]]


def test_topk_ranks_written_tokens_anew():
    """Once position 3 is written the model thinks little of it: it takes the rank that is to stay masked, so
    two others pass it at once; the last step writes what is left."""

    def fickle(ids: torch.Tensor) -> torch.Tensor:
        says = SAYS.clone()
        if ids[0, 3] != MASK:
            says[3] = torch.tensor([0.26, 0.25, 0.24, 0.25])
        return says.log()[None]

    steps, forwards = drive(sample(start(), settings(alg="topk")), fickle)
    assert [places(step) for step in steps] == [[3], [0, 1], [2]]
    assert steps[-1].ids.tolist() == [[0, 1, 2, 1]], "what is written stays"
    assert len(forwards) == 3


def test_the_temperature_shapes_what_is_drawn_but_not_the_probability_told():
    steps, _ = drive(sample(start(), settings(temperature=5.0, greedy=True)), always(SAYS))
    assert steps[-1].ids.tolist() == [[0, 1, 2, 1]]
    told = torch.stack([step.probability for step in steps]).sum(0)[0]
    assert told.tolist() == pytest.approx([0.7 / 0.9, 0.6 / 0.8, 0.5 / 0.9, 0.8 / 0.95], abs=1e-5)
    drawn = {
        tuple(drive(sample(start(seed=seed), settings(temperature=1.0)), always(SAYS))[0][-1].ids[0].tolist())
        for seed in range(20)
    }
    assert len(drawn) > 5
    narrow = drive(sample(start(rows=50), settings(temperature=1.0, top_p=0.5)), always(SAYS))[0][-1].ids
    assert (narrow == torch.tensor([0, 1, 2, 1])).all()


@pytest.mark.parametrize("alg", ["random", "topk"])
def test_the_mask_token_is_written_only_where_it_is_a_word(alg):
    wants_it = always(torch.tensor([[0.1, 0.2, 0.1, 0.6]] * 4))
    refused, _ = drive(sample(start(), settings(alg=alg)), wants_it)
    assert refused[-1].ids.tolist() == [[1, 1, 1, 1]]
    written, _ = drive(sample(start(), settings(alg=alg, allow_mask_token=True)), wants_it)
    assert sum(int(step.revealed.sum()) for step in written) == 4 and (written[-1].ids == MASK).all()
