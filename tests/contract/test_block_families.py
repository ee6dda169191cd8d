"""Families of block models are read through the cache as they are read whole."""

import pytest
import torch

from jobs.diffusion.samplers import Draws, Start
from jobs.diffusion.unmask import unmask
from jobs.models.debug import debug_checkpoint
from jobs.models.families import FAMILIES
from jobs.models.tokenizers import character_tokenizer
from jobs.specs.samplers import SAMPLERS as OPTIONS
from jobs.specs.samplers.fits import fitting

NAMES = [name for name, family in FAMILIES.items() if family.traits(family.debug).get("block_size")]


def test_there_are_block_families():
    assert {"llada2", "sdar", "bd3lm", "stable_diffcoder", "efficient_dlm"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_pass_says_the_same_through_the_cache(name):
    made = debug_checkpoint(name, character_tokenizer("abcdefghijklmnop"))
    denoiser, size = made.denoiser(), made.config.block_size
    assert size is not None
    ids = torch.randint(16, (2, 3 * size), generator=torch.Generator().manual_seed(0))
    ids[:, size + 1 :] = made.config.mask_token_id
    numbers = (torch.arange(3 * size) // size).expand(2, -1)
    cache = denoiser.new_cache(3 * size)
    for known, stop in ((0, 2 * size), (size, 2 * size), (size, 3 * size), (2 * size, 3 * size)):
        at = torch.arange(stop - size, stop)
        fed = slice(known - 1 if known and made.config.shifted_logits else known, stop)
        through = denoiser(ids[:, :stop], None, at, feed=fed, cache=cache, blocks=numbers[:, :stop])
        whole = denoiser(ids[:, :stop], None, at, blocks=numbers[:, :stop])
        assert torch.allclose(through, whole, atol=1e-4)
        ids[:, stop - size + 1 : stop] = through[:, 1:, :16].argmax(-1)  # what a step may do


@pytest.mark.parametrize("name", NAMES)
def test_its_own_samplers_write_the_same_with_and_without_a_cache(name):
    made = debug_checkpoint(name, character_tokenizer("abcdefghijklmnop"))
    mask, denoiser = made.config.mask_token_id, made.denoiser()
    ids = torch.full((2, 14), mask)
    ids[:, :5] = torch.randint(16, (2, 5), generator=torch.Generator().manual_seed(1))
    for sampler in fitting(made.config):
        texts = []
        for use_cache in ("prefix", "none"):
            draws = Draws(torch.Generator().manual_seed(2))
            start = Start(ids, made.config, None, draws, made.eos_id, new_cache=denoiser.new_cache)
            options = OPTIONS[sampler].parse({"max_new_tokens": 9, "use_cache": use_cache})
            *_, last = unmask(denoiser, start, options)
            texts.append(last.ids)
        assert torch.equal(*texts) and not (texts[0] == mask).any()
