"""Window layers of official folders, over every family: the explicit choice, and what is done without one."""

import json

import pytest
import torch
import transformers.integrations.flash_attention as flash

from jobs.models import checkpoint
from jobs.models.bidirectional import has_windows, make_bidirectional
from jobs.models.classes import model_class
from jobs.models.families import FAMILIES
from jobs.models.source import CONFIG
from jobs.protocol.errors import ModelError
from jobs.specs.families import FAMILIES as TABLE

WINDOW, LENGTH = 4, 16
KEYS = {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 0}
MODERN_BERT = {
    **{"architectures": ["ModernBertForMaskedLM"], "model_type": "modernbert", "hidden_size": 32},
    **{"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48, "initializer_range": 0.2},
    **{"max_position_embeddings": 64, "local_attention": 2 * WINDOW, "global_attn_every_n_layers": 3},
    **{"layer_types": ["sliding_attention"] * 2},
}
MASKED = [name for name in FAMILIES if TABLE[name].noise == "mask"]
"""All but DiffusionGemma, which sees no text with masks; its own tests hold it against transformers."""
WINDOWED = {"bert": MODERN_BERT}
"""Families whose debug size cannot have windows, and a config of theirs that can."""


@pytest.fixture
def folder(tmp_path):
    """folder(family) -> an official folder (config.json only) that asks for windows of 4, where it can."""

    def write(name):
        family = FAMILIES[name]
        raw = {**WINDOWED.get(name, family.debug), "vocab_size": 20, "mask_token_id": 19}
        raw |= {key: None for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
        try:
            family.stock_config({**raw, **KEYS})
            raw |= KEYS
        except ModelError as error:  # LLaDA2: there can be no windows then
            assert "sliding_window" in str(error)
        (tmp_path / CONFIG).write_text(json.dumps(raw))
        return tmp_path

    return write


def build(folder, name, choice):
    """(the model in eval mode, what became of its windows)."""
    config, done = checkpoint.official_config(folder, FAMILIES[name], choice)
    torch.manual_seed(0)
    return make_bidirectional(model_class(config)(config)).eval(), done


def seen(model, position):
    """[LENGTH] bool: whether each token moves the logits at `position`."""
    ids = torch.arange(LENGTH)[None]
    embedded = model.get_input_embeddings()(ids).detach().requires_grad_()
    logits = model(inputs_embeds=embedded, use_cache=False).logits[0, position]
    (gradient,) = torch.autograd.grad(logits.square().sum(), embedded)
    return gradient.abs().sum(-1)[0] > 0


@pytest.mark.parametrize("name", MASKED)
def test_full_sees_beyond_any_window(name, folder):
    model, _ = build(folder(name), name, "full")
    assert seen(model, 0).all() and seen(model, LENGTH - 1).all()


@pytest.mark.parametrize("name", MASKED)
def test_keep_sees_the_window_on_both_sides_and_no_more(name, folder):
    model, done = build(folder(name), name, "keep")
    if done is None:  # the format knows no windows, whatever stands in config.json
        assert not has_windows(model.config) and seen(model, 0).all()
        return
    reach = model.config.num_hidden_layers * WINDOW
    middle = LENGTH // 2
    for position in (0, middle, LENGTH - 1):
        distance = (torch.arange(LENGTH) - position).abs()
        found = seen(model, position)
        assert found[distance < WINDOW].all(), "both sides, and the future too"
        assert not found[distance > reach].any()


@pytest.mark.parametrize("choice", ["keep", "full"])
@pytest.mark.parametrize("name", ["dream", "sdar", "efficient_dlm", "a2d", "bert"])
def test_flash_attention_is_told_the_window_and_that_it_is_not_causal(name, choice, folder, monkeypatch):
    """Flash kernels are not on every machine, so the call to them is watched instead."""
    told = []

    def spy(query, key, value, mask, *, is_causal, sliding_window=None, **_):
        told.append((is_causal, sliding_window))
        return query

    monkeypatch.setattr(flash, "_flash_attention_forward", spy)
    model, _ = build(folder(name), name, choice)
    model.to(torch.bfloat16).config._attn_implementation = "flash_attention_2"
    with torch.no_grad():
        model(torch.arange(LENGTH)[None], use_cache=False)
    assert len(told) == model.config.num_hidden_layers and not any(causal for causal, _ in told)
    reached = [LENGTH if window is None else window for _, window in told]
    assert all(window >= LENGTH if choice == "full" else WINDOW <= window <= WINDOW + 1 for window in reached)


@pytest.mark.parametrize("name", FAMILIES)
def test_without_a_choice_it_is_what_the_familys_own_code_does(name, folder):
    family, where = FAMILIES[name], folder(name)
    config, done = checkpoint.official_config(where, family)
    assert done == (family.windows if has_windows(family.stock_config(_raw(where))) else None)
    assert has_windows(config) == (done == "keep")


def test_the_families_that_can_have_windows_are_these(folder, tmp_path):
    """So that none of the tests above says less than it seems to."""
    found = set()
    for name, family in FAMILIES.items():
        raw = {**WINDOWED.get(name, family.debug), "vocab_size": 20, **KEYS}
        try:
            found |= {name} if has_windows(family.stock_config(raw)) else set()
        except ModelError:
            continue
    assert found >= {"dream", "sdar", "efficient_dlm", "a2d", "bert"}


def _raw(folder):
    return json.loads((folder / CONFIG).read_text())
