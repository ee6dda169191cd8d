"""A LoRA adapter becomes a whole checkpoint: the logits of base and adapter together, in every format."""

import json
import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from jobs.models import checkpoint
from jobs.models.adapters import EXPERTS
from jobs.models.bidirectional import make_bidirectional
from jobs.models.convert import convert
from jobs.models.debug import debug_checkpoint
from jobs.models.tokenizers import character_tokenizer
from jobs.protocol.errors import ModelError, SpecError
from jobs.specs.diffusion_config import FILE
from jobs.specs.job import ConvertSpec

pytestmark = pytest.mark.thorough

IDS = torch.arange(12)[None]
ADAPTERS = {
    "attention": {"target_modules": ["q_proj", "v_proj"]},
    "both matrices": {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens", "lm_head"]},
    "embedding": {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]},
    "DoRA": {"target_modules": ["q_proj", "o_proj"], "use_dora": True},
    "experts": {"target_modules": ["q_proj"], "target_parameters": [*EXPERTS]},
}
OFFICIAL_MODULES = {
    "llada": ("model.transformer.blocks.0.ff_proj", (48, 32), "model.layers.0.mlp.gate_proj.weight"),
    "llada2": (
        "model.layers.1.attention.query_key_value",
        (64, 32),
        "model.layers.1.self_attn.k_proj.weight",
    ),
    "lladamoe": ("model.layers.0.mlp.experts.2.down_proj", (32, 16), "model.layers.0.mlp.experts.down_proj"),
}
"""family -> (a module of its own code, its shape, a stock tensor that stands in it)."""
STANDS_AT = {"llada": (..., ...), "llada2": (..., slice(32, 48)), "lladamoe": (2, ...)}
"""family -> (the part of the stock tensor, the part of the official module) that are the same."""


def run(source, out, **options):
    convert(ConvertSpec(source=str(source), **options), out, lambda *_: None)
    return out


def logits(model):
    with torch.no_grad():
        return model.eval()(IDS, use_cache=False).logits


def trained(model, **config):
    """The model with an adapter that changes it: LoRA starts as nothing, so its weights are drawn."""
    torch.manual_seed(0)  # peft draws one half of the matrices
    tuned = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, **config))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if parameter.requires_grad:
                size = 0.1 if "lora_" in name else 0.02
                parameter.add_(torch.randn(parameter.shape, generator=generator) * size)
    return tuned


@pytest.fixture
def base(tmp_path):
    """base(family, official) -> (debug checkpoint, its folder)."""

    def write(name, official=True):
        made = debug_checkpoint(name, character_tokenizer("abcdefghijklmnop"))
        folder = tmp_path / "base"
        if official:
            checkpoint.export(made, name, folder)
        else:
            checkpoint.save(made.model, made.tokenizer, made.config, folder)
        return made, folder

    return write


@pytest.mark.parametrize("target", ["studio", "official"])
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((kind, "dream") for kind in ADAPTERS if kind != "experts"),
        *(("attention", "llada2"), ("experts", "lladamoe"), ("experts", "llada2")),
    ],
)
def test_the_merged_model_says_what_base_and_adapter_say(kind, name, target, base, tmp_path):
    made, folder = base(name, official=target == "studio")
    plain = logits(made.model)
    tuned = trained(made.model, **ADAPTERS[kind])
    expected = logits(tuned)
    tuned.save_pretrained(tmp_path / "adapter")
    out = run(tmp_path / "adapter", tmp_path / "out", target=target, lora_base=str(folder))
    merged = checkpoint.load(out)
    assert (logits(merged.model) - expected).abs().max() < 1e-5 < (expected - plain).abs().max()
    assert (out / FILE).exists() == (target == "studio")
    for key in ("family", "mask_token_id", "shifted_logits", "block_size", "objective"):
        assert getattr(merged.config, key) == getattr(made.config, key)
    assert merged.tokenizer.encode("abba") == made.tokenizer.encode("abba")


def test_a_base_named_by_the_adapter_is_found(base, tmp_path):
    made, folder = base("llada", official=False)
    tuned = trained(made.model, target_modules="all-linear")
    tuned.peft_config["default"].base_model_name_or_path = str(folder)
    expected = logits(tuned)
    tuned.save_pretrained(tmp_path / "adapter")
    merged = checkpoint.load(run(tmp_path / "adapter", tmp_path / "out"))
    assert (logits(merged.model) - expected).abs().max() < 1e-5
    assert merged.config.source == str(tmp_path / "adapter")


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_an_adapter_on_a_causal_model_with_new_tokens_becomes_a_dllm(kind, toy, tmp_path):
    """The rows that were trained with it stay, and the matrices (tied in the toy Qwen3) are two from now on
    where only one was trained."""
    model = AutoModelForCausalLM.from_pretrained(toy(kind))
    words = model.config.vocab_size
    model.resize_token_embeddings(words + 3, mean_resizing=False)
    tuned = trained(model, target_modules=["q_proj"], modules_to_save=["embed_tokens"])
    tuned.save_pretrained(tmp_path / "adapter", save_embedding_layers=True)
    expected = logits(make_bidirectional(tuned))
    merged = checkpoint.load(run(tmp_path / "adapter", tmp_path / "out", lora_base=str(toy(kind))))
    assert (logits(merged.model)[..., :words] - expected[..., :words]).abs().max() < 1e-5
    assert merged.config.mask_token_id == words  # the first of the new rows
    assert merged.model.config.vocab_size == words + 3


@pytest.mark.parametrize("name", OFFICIAL_MODULES)
def test_adapters_trained_on_a_familys_own_modules_are_merged_by_their_names(name, base, tmp_path):
    made, folder = base(name)
    module, (rows, columns), stock = OFFICIAL_MODULES[name]
    generator = torch.Generator().manual_seed(0)
    down, up = torch.randn(4, columns, generator=generator), torch.randn(rows, 4, generator=generator)
    write_adapter(tmp_path / "adapter", folder, {f"{module}.lora_A": down, f"{module}.lora_B": up})
    after = checkpoint.load(run(tmp_path / "adapter", tmp_path / "out")).model.state_dict()
    before = made.model.state_dict()
    here, there = STANDS_AT[name]
    assert torch.allclose(after[stock][here] - before[stock][here], 2.0 * (up @ down)[there], atol=1e-5)
    same = [key for key in before if key != stock and "self_attn" not in key]
    assert all(torch.equal(before[key], after[key]) for key in same)


def write_adapter(folder, base, tensors):
    folder.mkdir()
    LoraConfig(r=4, lora_alpha=8, base_model_name_or_path=str(base)).save_pretrained(folder)
    named = {f"base_model.model.{name}.weight": tensor for name, tensor in tensors.items()}
    save_file(named, folder / "adapter_model.safetensors")


def test_what_does_not_fit_is_named_and_leaves_nothing(base, tmp_path):
    made, folder = base("dream", official=False)
    adapter = tmp_path / "adapter"
    trained(made.model, target_modules=["q_proj"]).save_pretrained(adapter)
    file, settings = adapter / "adapter_model.safetensors", adapter / "adapter_config.json"
    tensors, config = load_file(file), json.loads(settings.read_text())

    def refused(words, kind=ModelError, **options):
        with pytest.raises(kind, match=words):
            run(adapter, tmp_path / "out", **{"lora_base": str(folder), **options})
        assert not [path for path in tmp_path.iterdir() if "out" in path.name]

    refused("does not name the base model; give it as lora_base", lora_base=None)
    refused("which was not found: .* there is no such folder", lora_base=str(tmp_path / "nowhere"))
    refused("mask_token: .* leave mask_token out", SpecError, mask_token="<x>")
    refused("change the layout after that", SpecError, layout="merged")
    lost = next(iter(tensors))
    save_file({key: value for key, value in tensors.items() if key != lost}, file)
    refused(r"lack base_model\.model\.model\.layers")
    save_file({**tensors, "base_model.model.extra.lora_A.weight": torch.ones(4, 2)}, file)
    refused(r"have unexpected extra\.lora_A\.weight")
    save_file({key: value[:2].contiguous() for key, value in tensors.items()}, file)
    refused("does not fit")
    file.write_bytes(b"broken")
    refused("is broken")
    file.rename(adapter / "adapter_model.bin")
    refused("pickled adapters are not read")
    settings.write_text(json.dumps({**config, "peft_type": "IA3"}))
    refused("only LoRA can be merged")
    shutil.rmtree(adapter)
    with pytest.raises(SpecError, match="is no LoRA adapter; leave lora_base out"):
        run(folder, tmp_path / "out", lora_base=str(folder))
