"""The causal mask is off after conversion, saving and reloading with plain transformers."""

import pytest
import torch
import transformers.integrations.flash_attention as flash
from transformers import AutoModelForCausalLM

from jobs.models.bidirectional import has_windows, later_token_matters, make_bidirectional
from jobs.models.convert import convert
from jobs.protocol.errors import ModelError, SpecError
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.job import ConvertSpec

LENGTH = 14
WINDOW = 3
LAYERS = 2
FULL_ONLY = ["gpt2", "llama", "qwen3"]
WINDOWED = ["qwen2", "mistral", "gemma2", "gemma3"]


def quiet(text: str, share: float) -> None:
    pass


@torch.no_grad()
def reach(model) -> torch.Tensor:
    """[L, L] bool: does changing token k move the logits of position q?"""
    model.eval()
    ids = torch.randint(250, (1, LENGTH), generator=torch.Generator().manual_seed(0))
    before = model(ids).logits
    changed = ids.repeat(LENGTH, 1)
    changed[range(LENGTH), range(LENGTH)] = (ids[0] + 1) % 250
    after = torch.cat([model(row[None]).logits for row in changed])
    return ((after - before).abs().amax(-1) > 1e-6).T


def band(width: int) -> torch.Tensor:
    position = torch.arange(LENGTH)
    return (position[:, None] - position).abs() <= width


@pytest.mark.parametrize("kind", [*FULL_ONLY, *WINDOWED, "cohere2"])
def test_converted_models_see_the_whole_text_and_are_else_the_same(kind, toy, tmp_path):
    """The outputs are those of the source under a mask that hides nothing. In Gemma 3 the layer kind chooses
    the rotary base too, in Cohere 2 whether there are positions at all: opening the window must keep that."""
    source = AutoModelForCausalLM.from_pretrained(toy(kind))
    assert not reach(source).triu(1).any(), "the toy is not causal"
    choice = None if kind in FULL_ONLY else "full"
    convert(ConvertSpec(source=str(toy(kind)), sliding_window=choice), tmp_path / "out", quiet)
    converted = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert reach(converted).all()
    assert DiffusionConfig.load(tmp_path / "out").sliding_window == choice
    ids = torch.arange(LENGTH)[None]
    with torch.no_grad():
        expected = source(ids, attention_mask=torch.zeros(1, 1, LENGTH, LENGTH)).logits
        assert torch.allclose(converted(ids).logits[..., : expected.shape[-1]], expected, atol=1e-5)


@pytest.mark.parametrize("kind", WINDOWED)
def test_keep_keeps_it_on_both_sides(kind, toy, tmp_path):
    convert(ConvertSpec(source=str(toy(kind)), sliding_window="keep"), tmp_path / "out", quiet)
    seen = reach(AutoModelForCausalLM.from_pretrained(tmp_path / "out"))
    assert torch.equal(seen, seen.T), "the window is as long to the right as to the left"
    assert seen.triu(1).any() and not (seen & ~band(WINDOW * LAYERS)).any()


@pytest.mark.parametrize("kind", WINDOWED)
def test_without_a_choice_the_two_are_named(kind, toy, tmp_path):
    with pytest.raises(SpecError, match=r"sliding_window: keep .* sliding_window: full"):
        convert(ConvertSpec(source=str(toy(kind))), tmp_path / "out", quiet)
    assert not any(tmp_path.glob("*out*"))


@pytest.mark.parametrize("kind", [*FULL_ONLY, *WINDOWED])
def test_flash_attention_would_be_told_that_it_is_not_causal(kind, toy, monkeypatch):
    """Flash kernels are not on every machine, so the call to them is watched instead."""
    told = []

    def spy(query, key, value, mask, *, is_causal, **_):
        told.append(is_causal)
        return query

    monkeypatch.setattr(flash, "_flash_attention_forward", spy)
    model = make_bidirectional(AutoModelForCausalLM.from_pretrained(toy(kind), dtype=torch.bfloat16))
    assert all(not getattr(module, "is_causal", False) for module in model.modules())
    model.config._attn_implementation = "flash_attention_2"
    with torch.no_grad():
        model(torch.arange(8)[None])
    assert told == [False] * LAYERS


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_padding_on_either_side_does_not_change_a_row(kind, attention, toy):
    model = AutoModelForCausalLM.from_pretrained(toy(kind), attn_implementation=attention)
    make_bidirectional(model).eval()
    ids = torch.arange(6)[None]
    with torch.no_grad():
        alone = model(ids).logits
        padded = model(
            torch.cat([torch.full((1, 3), 258), ids], 1), attention_mask=torch.tensor([[0] * 3 + [1] * 6])
        ).logits
    assert torch.allclose(padded[:, 3:], alone, atol=1e-5)


def test_the_check_notices_broken_weights(toy):
    model = AutoModelForCausalLM.from_pretrained(toy("llama"))
    with torch.no_grad():
        model.lm_head.weight[5, 5] = torch.nan
    with pytest.raises(ModelError, match="not finite"):
        later_token_matters(model, 256)


def test_the_check_tells_causal_from_bidirectional(toy):
    model = AutoModelForCausalLM.from_pretrained(toy("llama"))
    assert not later_token_matters(model, 256)
    assert later_token_matters(make_bidirectional(model), 256)
    assert not has_windows(model.config)
