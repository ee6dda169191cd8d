"""Reading canvases block by block: the grid, what is fed, and that a cache changes nothing."""

import pytest
import torch

from jobs.diffusion import canvas
from jobs.diffusion.denoiser import Denoiser
from jobs.diffusion.samplers import SAMPLERS, Draws, Start
from jobs.diffusion.samplers.blocks import Blocks
from jobs.diffusion.unmask import Run, answer, unmask
from jobs.protocol.errors import SpecError
from jobs.specs import samplers as specs
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import LLaDA2Sampler

from .conftest import EOS, MASK
from .stub import drive

pytestmark = pytest.mark.thorough

PAD = 21
NAMES = [name for name, spec in specs.SAMPLERS.items() if spec.attention == "blocks"]
CANVASES = {
    "one row": canvas.completion([[1, 2, 3]], 10, MASK, PAD),
    "ragged": canvas.completion([[1, 2, 3, 4, 5, 6], [7], [8, 9, 10]], 9, MASK, PAD),
    "gaps": (torch.tensor([[1, MASK, 2, 3, 4, MASK, MASK, 5, 6, 7, 8, 9, 10, MASK], [MASK] * 14]), None),
}


def begin(name: str, denoiser: Denoiser, seed: int = 0) -> Start:
    ids, mask = CANVASES[name]
    draws = Draws(torch.Generator().manual_seed(seed))
    return Start(ids, denoiser.config, mask, draws, EOS, new_cache=denoiser.new_cache)


def blocks_of(ids: list[list[int]], mask: list[list[int]] | None = None, **options) -> Blocks:
    config = DiffusionConfig(mask_token_id=MASK)
    start = Start(torch.tensor(ids), config, None if mask is None else torch.tensor(mask))
    blocks_from = options.pop("blocks_from", "start")
    return Blocks(start, LLaDA2Sampler(use_cache="none", **options), blocks_from)


@pytest.mark.parametrize("canvas_name", CANVASES)
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_every_pass_through_the_cache_says_what_a_whole_pass_says(kind, shifted, canvas_name, make):
    """Not only the same tokens: the same logits, at every pass, so that no wide margin hides a stale key."""
    denoiser = make(kind, block_size=4, shifted_logits=shifted)
    start = begin(canvas_name, denoiser)
    sampler = SAMPLERS["llada2"](start, LLaDA2Sampler(threshold=0.6))
    fed, passes, said = [], 0, next(sampler)
    while said is not None:
        if hasattr(said, "feed"):
            through = answer(denoiser, said)
            whole = denoiser(said.ids, said.attention_mask, said.at, blocks=said.blocks)
            masked = start.masked(start.ids)[:, said.at]  # nobody reads what padding says
            assert torch.allclose(through[masked], whole[masked], atol=2e-4)
            fed.append(said.feed.stop - said.feed.start)
            passes += 1
            said = sampler.send(through)
        else:
            said = next(sampler, None)
    assert passes > 3 and min(fed) < start.ids.shape[1] / 2, "the cache must be read"


@pytest.mark.parametrize("canvas_name", CANVASES)
@pytest.mark.parametrize("name", NAMES)
def test_with_and_without_a_cache_the_history_is_the_same(name, canvas_name, make):
    denoiser = make("llama", block_size=4)
    histories = []
    for use_cache in ("prefix", "none"):
        options = specs.SAMPLERS[name](max_new_tokens=10, use_cache=use_cache, early_exit=False)
        histories.append([step.ids for step in unmask(denoiser, begin(canvas_name, denoiser), options)])
    assert len(histories[0]) == len(histories[1]) > 1
    assert all(torch.equal(a, b) for a, b in zip(*histories, strict=True))


def test_a_pass_is_fed_what_changed_since_the_last_one(make):
    """Three given, nine masks, blocks of four: the prompt with the first, then each with the one before."""
    denoiser = make(block_size=4)
    ids, _ = canvas.completion([[1, 2, 3]], 9, MASK, PAD)
    start = Start(ids, denoiser.config, new_cache=denoiser.new_cache)
    words = torch.full((24,), -9.0)
    words[5] = 9.0
    options = LLaDA2Sampler(threshold=1.0, steps_per_block=2)
    _, forwards = drive(SAMPLERS["llada2"](start, options), lambda ids: words.expand(*ids.shape, 24).clone())
    fed = [(f.feed.start, f.feed.stop) for f in forwards]
    assert fed == [(0, 4), (0, 8), (4, 8), (4, 12), (8, 12)]
    assert [f.ids.shape[1] for f in forwards] == [4, 8, 8, 12, 12]


def test_a_shifted_model_is_fed_the_token_before_the_block_too(make):
    denoiser = make(block_size=4, shifted_logits=True)
    ids, _ = canvas.completion([[1, 2, 3, 4]], 8, MASK, PAD)
    start = Start(ids, denoiser.config, new_cache=denoiser.new_cache)
    options = LLaDA2Sampler(threshold=1.0, steps_per_block=2)
    _, forwards = drive(SAMPLERS["llada2"](start, options), lambda ids: denoiser(ids))
    assert [(f.feed.start, f.feed.stop) for f in forwards] == [(0, 8), (3, 8), (3, 12), (7, 12)]


def test_blocks_are_counted_from_the_first_token_or_the_first_mask():
    ids, mask = [[1, 2, 3, MASK, MASK, MASK, MASK], [PAD, PAD, 1, MASK, MASK, MASK, MASK]], None
    mask = [[1] * 7, [0, 0, 1, 1, 1, 1, 1]]
    from_start = blocks_of(ids, mask, block_size=2)
    assert from_start.number.tolist() == [[0, 0, 1, 1, 2, 2, 3], [0, 0, 0, 0, 1, 1, 2]]
    from_mask = blocks_of(ids, mask, block_size=2, blocks_from="mask")
    assert from_mask.number.tolist() == [[-2, -1, -1, 0, 0, 1, 1], [-2, -1, -1, 0, 0, 1, 1]]


def test_each_round_is_the_next_block_that_a_row_has_masks_in():
    blocks = blocks_of(
        [[1, MASK, 2, 3, MASK, MASK], [MASK, MASK, 1, 2, 3, 4], [1, 2, 3, 4, 5, 6]], block_size=2
    )
    first, second = [block.int().tolist() for block in blocks.rounds()]
    assert first == [[1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0] * 6]
    assert second == [[0, 0, 0, 0, 1, 1], [0] * 6, [0] * 6]


def test_the_block_is_the_models_own_unless_one_is_given():
    config = DiffusionConfig(mask_token_id=MASK, block_size=4)
    assert LLaDA2Sampler().size_for(config) == 4 and LLaDA2Sampler(block_size=8).size_for(config) == 8


@pytest.mark.parametrize("name", NAMES)
def test_without_anything_that_keeps_keys_the_cache_is_refused(name):
    start = Start(torch.full((1, 8), MASK), DiffusionConfig(mask_token_id=MASK, block_size=4), eos_id=EOS)
    with pytest.raises(SpecError, match="set use_cache to none"):
        next(SAMPLERS[name](start, specs.SAMPLERS[name]()))


@pytest.mark.parametrize("name", [name for name in NAMES if specs.SAMPLERS[name].stays_written])
def test_a_row_that_has_ended_costs_the_others_no_pass_and_is_what_it_is_alone(name):
    """Row 0 ends with its second token, row 1 never does."""
    config = DiffusionConfig(mask_token_id=MASK, block_size=4)
    says = torch.full((2, 12, 24), -9.0)
    says[0, :, 5] = says[1, :, 6] = 9.0
    says[0, 1] = says[0, 0].roll(EOS - 5)
    options = specs.SAMPLERS[name](max_new_tokens=12, use_cache="none")

    def run(*rows: int) -> list:
        draws = Draws(torch.Generator().manual_seed(0))
        work = Run(Start(torch.full((len(rows), 12), MASK), config, None, draws, EOS), options)
        while work.asks is not None:
            work.answer(says[list(rows)][:, work.asks.at])
        return list(work.steps)

    together = run(0, 1)
    for row in range(2):
        assert torch.equal(together[-1].ids[row], run(row)[-1].ids[0])
    assert together[-1].nfe == run(1)[-1].nfe and together[-1].ids[0, :2].tolist() == [5, EOS]
    assert (together[-1].ids[0, 4:] == EOS).all() and (together[-1].ids[1] == 6).all()
    assert together[-1].closed[0, 4:].all() and not together[-1].closed[1].any()
