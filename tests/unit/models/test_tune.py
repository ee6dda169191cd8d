"""Which weights a way of training changes, and that it begins where the model was."""

from importlib.util import find_spec

import pytest
import torch
from peft.tuners.lora import LoraLayer
from torch import nn

from jobs.models import adapters, checkpoint
from jobs.models.debug import debug_checkpoint
from jobs.models.layers import decoder_layers
from jobs.models.tokenizers import character_tokenizer
from jobs.models.tune import tune
from jobs.protocol.errors import SpecError
from jobs.specs.tuning import TuningSpec

CPU = torch.device("cpu")
IDS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
STARTS = {
    "lora": {},
    "pissa": {"start": "pissa"},
    "dora": {"dora": True},
    "rslora": {"rslora": True},
    "embeddings": {"modules_to_save": "embed_tokens"},
}
needs_bitsandbytes = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="it is optional")


def debug(family="a2d", tied=False):
    """A debug model of large random weights, so that nothing is as it was by chance or by zeros."""
    made = debug_checkpoint(family, character_tokenizer("abcdefghijklmnop"))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in made.model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    if tied:
        made.model.config.tie_word_embeddings = True
        made.model.tie_weights()
    return made


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=IDS, use_cache=False).logits


def tuned(made, **options):
    return tune(made, TuningSpec.parse(options), CPU)


def trained(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(("count", "places"), [(1, [1]), (-1, [0]), (2, [0, 1])])
def test_some_layers_are_trained(count, places):
    model = tuned(debug(), method="layers", layers=count)
    layers = [name for name in trained(model)]
    assert {int(name.split(".layers.")[1][0]) for name in layers} == set(places)
    inside = [p for at in places for p in decoder_layers(model)[at].parameters()]
    assert len(layers) == len(inside)


def test_modules_are_trained_by_name_beside_layers_or_alone():
    model = tuned(debug(), method="layers", layers=0, modules_to_save="mlp, model.norm")
    names = trained(model)
    assert names and all(".mlp." in name or name == "model.norm.weight" for name in names)
    assert "model.norm.weight" in names


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layers": 3}, "the model has 2 layers, not 3"),
        ({"layers": 1, "modules_to_save": "wte"}, "has no module wte; it has .*embed_tokens"),
    ],
)
def test_what_the_model_has_not_got_is_refused(options, words):
    with pytest.raises(SpecError, match=words):
        tuned(debug(), method="layers", **options)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("family", ["a2d", "diffugpt", "qwen3_vl"])
def test_new_layers_change_nothing_and_are_all_that_is_trained(family, count, tmp_path):
    made = debug(family)
    before, old = logits(made.model), len(decoder_layers(made.model))
    model = tuned(made, method="expand", layers=count)
    torch.testing.assert_close(logits(model), before, rtol=1e-4, atol=1e-4)
    assert len(decoder_layers(model)) == old + count
    assert len(trained(model)) == count * len(list(decoder_layers(model)[0].parameters()))
    # They learn: a step changes what the model says, and the larger model is saved and read as such.
    model(input_ids=IDS, use_cache=False).logits.logsumexp(-1).sum().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= parameter.grad.clamp(-0.1, 0.1)
    after = logits(model)
    assert (after - before).abs().max() > 1e-3
    checkpoint.save(model, made.tokenizer, made.config, tmp_path / "larger", made.images)
    again = checkpoint.load(tmp_path / "larger").model
    torch.testing.assert_close(logits(again), after, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", ["bert", "llada2"])
def test_new_layers_are_refused_where_they_would_change_something(family):
    with pytest.raises(SpecError, match="new layers would change"):
        tuned(debug(family), method="expand", layers=1)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("name", STARTS)
def test_lora_begins_where_the_model_was_and_merges_into_what_it_became(name, tied, tmp_path):
    made = debug(tied=tied)
    before = logits(made.model)
    model = tuned(made, method="lora", rank=2, **STARTS[name])
    torch.testing.assert_close(logits(model), before, rtol=1e-3, atol=1e-3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.1)
    became = logits(model)
    assert (became - before).abs().max() > 0.05
    merged = adapters.merge(model)
    torch.testing.assert_close(logits(merged), became, rtol=1e-3, atol=1e-3)
    checkpoint.save(merged, made.tokenizer, made.config, tmp_path / "merged")
    again = checkpoint.load(tmp_path / "merged").model
    torch.testing.assert_close(logits(again), became, rtol=1e-3, atol=1e-3)
    same = again.get_output_embeddings().weight is again.get_input_embeddings().weight
    assert same == tied


def test_lora_plus_and_rank_stabilisation_scale_as_published():
    plain = tuned(debug(), method="lora", rank=4, alpha=8)
    stable = tuned(debug(), method="lora", rank=4, alpha=8, rslora=True)
    scales = [
        next(m.scaling["default"] for m in model.modules() if isinstance(m, LoraLayer))
        for model in (plain, stable)
    ]
    assert scales == [2.0, 4.0]  # 8 / 4 and 8 / sqrt(4)


@needs_bitsandbytes
def test_four_bits_are_close_to_the_model_and_become_plain_weights_again(tmp_path):
    made = debug()
    before = logits(made.model)
    model = tuned(made, method="lora", rank=2, quantize="4bit", modules_to_save="embed_tokens")
    began = logits(model)
    assert (began - before).abs().max() > 0
    assert torch.corrcoef(torch.stack([began.flatten(), before.flatten()]))[0, 1] > 0.9
    bytes_of = [p for n, p in model.named_parameters() if n.endswith("q_proj.base_layer.weight")]
    assert bytes_of and all(p.dtype == torch.uint8 for p in bytes_of)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05)
    became = logits(model)
    merged = adapters.merge(model)
    torch.testing.assert_close(logits(merged), became, rtol=1e-3, atol=1e-3)
    assert all(type(m) is nn.Linear for n, m in merged.named_modules() if n.endswith("_proj"))
    checkpoint.save(merged, made.tokenizer, made.config, tmp_path / "merged")
    again = checkpoint.load(tmp_path / "merged").model
    torch.testing.assert_close(logits(again), became, rtol=1e-3, atol=1e-3)


@needs_bitsandbytes
def test_a_model_without_linear_layers_has_no_four_bits():
    with pytest.raises(SpecError, match="GPT2LMHeadModel has no linear layers to keep in 4 bits"):
        tuned(debug("diffugpt"), method="lora", quantize="4bit")
