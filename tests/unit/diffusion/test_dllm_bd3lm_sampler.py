"""What dLLM's block sampler adds: steps shared out over a row's blocks, guidance through the cache."""

import pytest
import torch

from jobs.diffusion import canvas
from jobs.diffusion.samplers import Draws, Start
from jobs.diffusion.samplers.dllm_bd3lm import sample
from jobs.diffusion.unmask import answer
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import DllmBD3LMSampler

from .conftest import MASK
from .stub import drive

PAD = 21


def passes(options: dict, *prompts: list[int], new: int = 8) -> list[list[int]]:
    """How many tokens each row got in each pass."""
    ids, mask = canvas.completion(list(prompts), new, MASK, PAD)
    start = Start(ids, DiffusionConfig(mask_token_id=MASK), mask, Draws(torch.Generator().manual_seed(0)))
    chosen = DllmBD3LMSampler(use_cache="none", block_size=4, max_new_tokens=new, **options)
    steps, _ = drive(sample(start, chosen), lambda seen: torch.rand(*seen.shape, 24))
    return [step.revealed.sum(1).tolist() for step in steps]


@pytest.mark.parametrize(
    ("options", "prompts", "expected"),
    [
        ({"steps": 4}, [[1, 2, 3, 4]], [[2], [2], [2], [2]]),
        ({"steps": 3}, [[1, 2, 3, 4]], [[2], [2], [2], [2]]),  # 1.5 steps a block are 2
        ({"steps_per_block": 1}, [[1, 2, 3, 4]], [[4], [4]]),
        ({"steps": 3}, [[1, 2, 3]], [[1], [4], [3]]),  # three blocks, one step each
        ({"steps": 4}, [[1, 2, 3, 4], [1, 2, 3]], [[2, 1], [2, 0], [2, 2], [2, 2], [0, 2], [0, 1]]),
        ({"steps": 4, "blocks_from": "mask"}, [[1, 2, 3]], [[2], [2], [2], [2]]),
    ],
)
def test_steps_are_shared_out_over_the_rows_own_blocks(options, prompts, expected):
    assert passes(options, *prompts) == expected


def test_guidance_through_the_cache_says_what_it_says_without(make):
    """Each half reads its own keys; given words that are kept are shown to both."""
    denoiser = make(block_size=4)
    ids, mask = canvas.completion([[1, 2, 3, 4, 5], [6, 7]], 9, MASK, PAD)
    start = Start(ids, denoiser.config, mask, new_cache=denoiser.new_cache)
    options = DllmBD3LMSampler(steps=6, cfg_scale=1.5, cfg_keep_tokens=[2, 7])
    sampler = sample(start, options)
    said, asked = next(sampler), 0
    while said is not None:
        if not hasattr(said, "feed"):
            said = next(sampler, None)
            continue
        through = answer(denoiser, said)
        whole = denoiser(said.ids, said.attention_mask, said.at, blocks=said.blocks)
        masked = (start.masked(start.ids)[:, said.at]).repeat(2, 1)
        assert torch.allclose(through[masked], whole[masked], atol=2e-4)
        assert said.passes == 2 and said.ids[2, :5].tolist() == [MASK, 2, MASK, MASK, MASK]
        assert said.ids[3, :5].tolist() == [PAD, PAD, PAD, MASK, 7]
        asked += 1
        said = sampler.send(through)
    assert asked >= 6
