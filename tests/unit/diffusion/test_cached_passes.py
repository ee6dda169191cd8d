"""Passes that are fed a part of the canvas, and block-causal ones, say what whole passes say."""

import pytest
import torch
from transformers import AutoModelForCausalLM, Glm4MoeConfig, Qwen2Config, Qwen3Config, Qwen3MoeConfig

from jobs.diffusion.attention import blocks_mask
from jobs.diffusion.denoiser import Denoiser
from jobs.models.bidirectional import make_bidirectional, switch_off_causality
from jobs.protocol.errors import ModelError, SpecError
from jobs.specs.diffusion_config import DiffusionConfig

from .conftest import MASK, WORDS

SMALL = {
    **{
        "vocab_size": WORDS,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "head_dim": 16,
    },
    **{"num_key_value_heads": 1, "intermediate_size": 48, "initializer_range": 0.3},
}
EXPERTS = {"moe_intermediate_size": 16, "num_experts_per_tok": 2}
CONFIGS = {
    "qwen2": Qwen2Config(**{k: v for k, v in SMALL.items() if k != "head_dim"}),
    "qwen3": Qwen3Config(**SMALL),
    "qwen3_moe": Qwen3MoeConfig(**SMALL, **EXPERTS, num_experts=4),
    "glm4_moe": Glm4MoeConfig(
        **SMALL, **EXPERTS, n_routed_experts=4, n_shared_experts=1, first_k_dense_replace=1
    ),
}
IDS = torch.randint(MASK, (2, 14), generator=torch.Generator().manual_seed(5))
LEFT_PADDED = torch.tensor([[1] * 14, [0] * 3 + [1] * 11])


def family(kind: str, make, implementation: str = "sdpa", **fields) -> Denoiser:
    """A tiny denoiser: the shared llama and gpt2, or one of CONFIGS."""
    if kind in ("llama", "gpt2"):
        shared = make(kind, **fields)
        shared.model.set_attn_implementation(implementation)
        return shared
    config = CONFIGS[kind]
    switch_off_causality(config)
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=implementation)
    return Denoiser(make_bidirectional(model).eval(), DiffusionConfig(mask_token_id=MASK, **fields))


@pytest.fixture(autouse=True)
def _models_as_they_were(make):
    yield
    for kind in ("llama", "gpt2"):
        make(kind).model.set_attn_implementation("sdpa")


@pytest.mark.parametrize("mask", [None, LEFT_PADDED], ids=["whole", "left padded"])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", ["llama", "gpt2", *CONFIGS])
def test_a_window_beside_a_cached_canvas_says_what_the_whole_canvas_says(
    kind, implementation, shifted, mask, make
):
    """The dual cache on an unchanged canvas, and the prefix cache, are exact."""
    denoiser = family(kind, make, implementation, shifted_logits=shifted)
    whole = denoiser(IDS, mask)
    cache = denoiser.new_cache(IDS.shape[1])
    assert torch.allclose(denoiser(IDS, mask, cache=cache), whole, atol=1e-5)
    real = slice(3, None) if mask is not None else slice(None)
    for feed in (slice(6, 10), slice(6, 14)):
        at = torch.arange(feed.start + shifted, feed.stop)
        window = denoiser(IDS, mask, at, feed=feed, cache=cache)
        assert torch.allclose(window, whole[:, at], atol=1e-5)
    changed = IDS.clone()
    changed[:, 8] = (changed[:, 8] + 1) % MASK
    moved = denoiser(changed, mask, torch.arange(7, 10), feed=slice(6, 10), cache=cache)
    assert not torch.allclose(moved, whole[:, 7:10], atol=1e-3), "what is fed is read anew"
    assert whole[:, real].isfinite().all()


@pytest.mark.parametrize("mask", [None, LEFT_PADDED], ids=["whole", "left padded"])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_block_causal_passes_know_nothing_of_later_blocks(implementation, mask, make):
    denoiser = family("llama", make, implementation, block_size=4)
    first_real = 0 if mask is None else 3
    whole = denoiser(IDS, mask)
    changed = IDS.clone()
    changed[1, first_real + 4] = (changed[1, first_real + 4] + 1) % MASK  # the second block begins
    moved = (denoiser(changed, mask) - whole).abs().amax(-1)[1] > 1e-4
    assert not moved[first_real : first_real + 4].any(), "the first block saw the second"
    assert moved[first_real + 4 :].all(), "the second and later blocks did not see it"
    inside = IDS.clone()
    inside[1, first_real + 3] = (inside[1, first_real + 3] + 1) % MASK
    assert ((denoiser(inside, mask) - whole).abs().amax(-1)[1, first_real:] > 1e-4).all(), (
        "a block sees itself"
    )


def test_flex_attention_is_given_the_same_pattern(make):
    denoiser = make()
    blocks = torch.arange(14).expand_as(IDS) // 4
    dense = blocks_mask(denoiser.model, blocks, slice(4, 12), LEFT_PADDED[:, :12], 2)
    assert isinstance(dense, torch.Tensor) and dense.shape == (2, 1, 8, 12)
    denoiser.model.set_attn_implementation("flex_attention")
    flex = blocks_mask(denoiser.model, blocks, slice(4, 12), LEFT_PADDED[:, :12], 2)
    b, q, k = torch.meshgrid(torch.arange(2), torch.arange(8), torch.arange(12), indexing="ij")
    assert torch.equal(flex.mask_mod(b, torch.zeros_like(b), q, k), dense[:, 0])
    denoiser.model.set_attn_implementation("eager")
    added = blocks_mask(denoiser.model, blocks, slice(4, 12), LEFT_PADDED[:, :12], 2)
    assert torch.equal(added == 0, dense) and added.dtype == torch.float32
    denoiser.model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(ModelError, match="flash_attention_2"):
        blocks_mask(denoiser.model, blocks, slice(4, 12), None, 2)
    assert blocks_mask(denoiser.model, blocks, slice(8, 12), None, 2) is None, "one block needs no pattern"


@pytest.mark.parametrize("kind", ["llama", "glm4_moe"])
def test_blocks_fed_one_after_the_other_say_what_the_whole_canvas_says(kind, make):
    """The block cache is exact: blocks before never see blocks after."""
    denoiser = family(kind, make, block_size=4)
    whole = denoiser(IDS)
    cache = denoiser.new_cache(IDS.shape[1])
    parts = [
        denoiser(IDS, None, torch.arange(s, min(s + 4, 14)), feed=slice(s, min(s + 4, 14)), cache=cache)
        for s in range(0, 14, 4)
    ]
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-5)


def test_other_blocks_may_be_named(make):
    denoiser = family("llama", make)
    one_block = torch.zeros_like(IDS)
    assert torch.allclose(denoiser(IDS, blocks=one_block), denoiser(IDS), atol=1e-5)
    causal = denoiser(IDS, blocks=torch.arange(14).expand_as(IDS))
    assert torch.allclose(causal[:, :5], denoiser(IDS[:, :5], blocks=torch.arange(5).expand(2, 5)), atol=1e-5)


def test_a_model_without_keys_and_values_says_so(make):
    denoiser = make()
    plain = torch.nn.Module()
    plain.forward = lambda input_ids, logits_to_keep: None
    with pytest.raises(SpecError, match="use_cache"):
        Denoiser(plain, denoiser.config).new_cache(4)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("shifted", [False, True])
def test_a_row_padded_on_the_left_says_what_it_says_alone(shifted, kind, make):
    """Its first token too, which in a shifted model no output before it speaks for."""
    denoiser = make(kind, shifted_logits=shifted)
    together = denoiser(IDS, LEFT_PADDED)
    assert torch.allclose(together[1, 3:], denoiser(IDS[1:, 3:])[0], atol=1e-5)
    assert torch.allclose(together[0], denoiser(IDS[:1])[0], atol=1e-5)
    few = denoiser(IDS, LEFT_PADDED, torch.tensor([0, 3, 9]))
    assert torch.allclose(few, together[:, [0, 3, 9]], atol=1e-5)
