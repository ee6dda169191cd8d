"""Running samplers: numbering, early exit, and many in step."""

import pytest
import torch

from jobs.diffusion import canvas
from jobs.diffusion.denoiser import Denoiser
from jobs.diffusion.samplers.base import Draws, Start
from jobs.diffusion.text import until_eos
from jobs.diffusion.unmask import Run, advance, unmask
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import LLaDASampler

from .conftest import EOS, MASK, tiny

EOT, PAD = 20, 21


def options(**changes) -> LLaDASampler:
    return LLaDASampler(**{"steps": 16, "max_new_tokens": 16, "block_size": 16, **changes})


def prompts(*rows: list[int], new: int = 16) -> Start:
    ids, mask = canvas.completion(list(rows), new, MASK, PAD)
    return Start(ids, DiffusionConfig(mask_token_id=MASK), mask, Draws(), EOS, EOT)


@pytest.fixture(scope="module")
def ending() -> Denoiser:
    """A model that likes to end: its end token stands in for some favourite words."""
    model = tiny("llama")
    with torch.no_grad():
        model.lm_head.weight[EOS] = model.lm_head.weight[[0, 18, 21]].sum(0)
    return Denoiser(model, DiffusionConfig(mask_token_id=MASK))


def words(ids: torch.Tensor) -> list[int]:
    return until_eos(ids.tolist(), (EOS, EOT))


@pytest.mark.parametrize("seed", range(6))
def test_early_exit_saves_passes_and_changes_no_text(seed, ending):
    torch.manual_seed(seed)
    start = prompts(torch.randint(20, (3,)).tolist())
    *_, whole = unmask(ending, start, options(early_exit=False, block_size=4))
    *before, short = unmask(ending, start, options(block_size=4))
    assert words(short.ids[0, 3:]) == words(whole.ids[0, 3:]) and not (short.ids == MASK).any()
    assert EOS in whole.ids[0, 3:], "the toy must end"
    assert short.nfe < whole.nfe and short.nfe == before[-1].nfe
    assert short.closed is not None and short.closed.any() and not short.revealed.any()
    assert (short.ids[short.closed] == EOS).all()


def test_a_text_with_words_after_the_masks_is_never_cut(ending):
    ids = torch.tensor([[1, MASK, MASK, MASK, MASK, 2]])
    start = Start(ids, ending.config, None, Draws(), EOS)
    steps = list(unmask(ending, start, options()))
    assert steps[-1].nfe == 4 and all(step.closed is None for step in steps)


def test_all_rows_must_have_ended(ending):
    """The rows of one start go on together."""
    start = prompts([3, 4, 5], [6, 7])
    *_, short = unmask(ending, start, options())
    *_, whole = unmask(ending, start, options(early_exit=False))
    for row in range(2):
        assert words(short.ids[row, 3:]) == words(whole.ids[row, 3:])


def test_a_growing_canvas_ends_with_the_block(make):
    """What comes after the block is not there: the first block is what it would be alone."""
    denoiser = make()
    grown = list(
        unmask(denoiser, prompts([1, 2, 3]), options(block_size=8, canvas="growing", early_exit=False))
    )
    *_, alone = unmask(denoiser, prompts([1, 2, 3], new=8), options(max_new_tokens=8, steps=8, block_size=8))
    assert torch.equal(grown[-1].ids[:, :11], alone.ids)
    *_, whole = unmask(denoiser, prompts([1, 2, 3]), options(block_size=8, early_exit=False))
    assert not torch.equal(grown[-1].ids, whole.ids) and not (grown[-1].ids == MASK).any()


def test_runs_that_share_their_passes_write_what_they_write_alone(make):
    """Other prompts, lengths, settings and starting times, one batch a pass."""
    denoiser = make("gpt2", shifted_logits=True)
    cases = [
        (prompts([1, 2, 3]), options()),
        (prompts([4], new=8), options(max_new_tokens=8, block_size=4, steps=8, cfg_scale=0.7)),
        (prompts([5, 6, 7, 8, 9, 10]), options(steps=5, canvas="growing", early_exit=False)),
        (prompts([7], [8, 9]), options(steps=8)),
    ]
    alone = [list(unmask(denoiser, *case)) for case in cases]
    runs = [Run(*case) for case in cases[:2]]
    for _ in range(3):
        advance(denoiser, runs)
    runs += [Run(*case) for case in cases[2:]]
    rounds = 3
    while any(run.asks is not None for run in runs):
        advance(denoiser, runs)
        rounds += 1
    assert rounds < sum(steps[-1].nfe for steps in alone)
    for run, steps in zip(runs, alone, strict=True):
        assert [step.nfe for step in run.steps] == [step.nfe for step in steps]
        assert all(torch.equal(a.ids, b.ids) for a, b in zip(run.steps, steps, strict=True))


def test_a_closed_run_asks_for_nothing_more(make):
    run = Run(prompts([1]), options())
    advance(make(), [run])
    run.close()
    advance(make(), [run])
    assert run.asks is None and len(run.steps) == 1


def test_a_given_mask_token_is_a_word_and_stays(make):
    """Where padding holds the mask id, it is not written."""
    ids = torch.tensor([[MASK, MASK, 1, MASK, MASK]])
    mask = torch.tensor([[0, 0, 1, 1, 1]])
    *_, last = unmask(make(), Start(ids, make().config, mask, Draws()), options())
    assert last.ids[0, :3].tolist() == [MASK, MASK, 1] and not (last.ids[0, 3:] == MASK).any()
