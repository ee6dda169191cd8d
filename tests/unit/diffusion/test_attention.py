"""Attention patterns: their rules by hand, and every form of a pattern gives the same attention."""

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention.flex_attention import flex_attention

from jobs.diffusion import attention
from jobs.protocol.errors import ModelError

CPU = torch.device("cpu")
PADDING = torch.tensor([[1] * 10, [1] * 7 + [0] * 3])
DRAWS = torch.rand(10, 10, generator=torch.Generator().manual_seed(0))


def patterns() -> dict[str, attention.Pattern]:
    return {
        "full, padded": attention.Pattern(10, lambda q, k: (q == q) & (k == k), PADDING),
        "annealed": attention.annealed(10, 0.4, DRAWS),
        "annealed, padded": attention.annealed(10, 0.4, DRAWS, PADDING),
        "block-causal": attention.block_causal(10, 4),
        "block-causal, padded": attention.block_causal(10, 4, PADDING),
        "block diffusion": attention.block_diffusion(10, 4),
        "block diffusion, padded": attention.block_diffusion(10, 4, PADDING),
    }


@pytest.mark.thorough
@pytest.mark.parametrize("name", patterns())
@torch.no_grad()
def test_every_form_gives_the_same_attention(name):
    pattern = patterns()[name]
    q, k, v = torch.randn(3, 2, 2, pattern.length, 16, generator=torch.Generator().manual_seed(1))
    keep = attention.form_for(pattern, "sdpa", torch.float32, CPU)
    added = attention.form_for(pattern, "eager", torch.float32, CPU)
    blocks = attention.form_for(pattern, "flex_attention", torch.float32, CPU)
    assert keep.dtype == torch.bool and added.dtype == torch.float32
    sdpa = F.scaled_dot_product_attention(q, k, v, attn_mask=keep)
    eager = ((q @ k.transpose(-1, -2)) / 16**0.5 + added).softmax(-1) @ v
    flex = flex_attention(q, k, v, block_mask=blocks)
    assert torch.allclose(sdpa, eager, atol=1e-5) and torch.allclose(sdpa, flex, atol=1e-5)
    assert sdpa.isfinite().all()


def test_block_diffusion_by_hand():
    """[x_t ; x_0] of four tokens in blocks of two: letters are noised, capitals clean."""
    keep = attention.block_diffusion(4, 2).dense()[0, 0].int()
    rows = ["11000000", "11000000", "00111100", "00111100", "00001100", "00001100", "00001111", "00001111"]
    assert ["".join(map(str, row.tolist())) for row in keep] == rows


def test_block_causal_by_hand():
    keep = attention.block_causal(5, 2).dense()[0, 0].int()
    assert ["".join(map(str, row.tolist())) for row in keep] == ["11000", "11000", "11110", "11110", "11111"]


def test_annealing_ends_are_causal_and_full():
    causal = attention.annealed(10, 0.0, DRAWS).dense()[0, 0]
    assert torch.equal(causal, torch.ones(10, 10).tril().bool())
    assert attention.annealed(10, 1.0, DRAWS).dense().all()


def test_padding_is_seen_by_itself_alone():
    keep = attention.block_causal(10, 4, PADDING).dense()
    assert not keep[1, 0, :7, 7:].any() and keep[1, 0].diagonal().all()
    assert keep[0, 0].sum() > keep[1, 0].sum()
    assert attention.full(10, torch.ones(2, 10)).padding is None


@pytest.mark.parametrize("implementation", ["sdpa", "eager", "flex_attention", "flash_attention_2"])
def test_full_attention_leaves_the_padding_mask_to_transformers(implementation):
    assert attention.form_for(attention.full(10), implementation, torch.float32, CPU) is None
    given = attention.form_for(attention.full(10, PADDING), implementation, torch.float32, CPU)
    assert given is PADDING


def test_impossible_combinations_are_refused():
    pattern = attention.block_causal(10, 4)
    with pytest.raises(ModelError, match="sdpa, eager or flex_attention"):
        attention.form_for(pattern, "flash_attention_2", torch.float32, CPU)
    with pytest.raises(ModelError, match="cannot be trained on a CPU"):
        attention.form_for(pattern, "flex_attention", torch.float32, CPU)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@torch.no_grad()
def test_models_obey_their_form(implementation, kind, make):
    """A later block changes nothing in an earlier one, in either implementation."""
    from .conftest import tiny

    model = tiny(kind)
    model.set_attn_implementation(implementation)
    mask = attention.form(attention.block_causal(9, 3), model)
    ids = torch.arange(9)[None]
    other = ids.clone()
    other[0, 6:] += 5
    before, after = (model(x, attention_mask=mask, use_cache=False).logits for x in (ids, other))
    assert torch.allclose(before[:, :6], after[:, :6], atol=1e-5)
    assert not torch.allclose(before[:, 6:], after[:, 6:], atol=1e-3)
    early = ids.clone()
    early[0, 2] += 5
    assert not torch.allclose(before[:, 0], model(early, attention_mask=mask, use_cache=False).logits[:, 0])


def test_training_takes_an_implementation_that_can_do_the_pattern(make):
    class Configured:
        def __init__(self, name: str):
            self.config = type("Config", (), {"_attn_implementation": name})

    gpu = torch.device("cuda")
    choose = attention.implementation_for
    assert choose(Configured("flash_attention_2"), gpu, False, 4096) == "flash_attention_2"
    assert choose(Configured("flash_attention_2"), gpu, True, 512) == "sdpa"
    assert choose(Configured("sdpa"), gpu, True, 4096) == "flex_attention"
    assert choose(Configured("eager"), CPU, True, 4096) == "eager"
    assert choose(Configured("flex_attention"), CPU, True, 64) == "sdpa"
