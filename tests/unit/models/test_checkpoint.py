"""Checkpoints: written whole, read strictly, official formats in both directions."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from jobs.models import checkpoint, create
from jobs.protocol.errors import ModelError, SpecError
from jobs.specs.diffusion_config import FILE
from jobs.specs.job import NewModelSpec

LLAMA = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}


@pytest.fixture
def small() -> checkpoint.Checkpoint:
    return create.create(NewModelSpec(architecture="llama", config=LLAMA, tokenizer="characters:0123"), 0)


def write(small: checkpoint.Checkpoint, folder: Path) -> Path:
    checkpoint.save(small.model, small.tokenizer, small.config, folder)
    return folder


def test_what_is_saved_is_what_is_loaded(small, tmp_path):
    loaded = checkpoint.load(write(small, tmp_path / "m"))
    ids = torch.tensor([[0, 1, 6, 3]])
    with torch.no_grad():
        assert torch.equal(loaded.model(ids).logits, small.model(ids).logits)
    assert loaded.config == small.config and not loaded.model.training
    assert (loaded.eos_id, loaded.eot_id, loaded.pad_id) == (5, None, 4)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "m")
    assert plain.config.is_causal is False


def test_a_newer_checkpoint_replaces_the_older(small, tmp_path):
    write(small, tmp_path / "m")
    with torch.no_grad():
        small.model.lm_head.weight.zero_()
    write(small, tmp_path / "m")
    assert checkpoint.load(tmp_path / "m").model.lm_head.weight.abs().sum() == 0
    assert [path.name for path in tmp_path.glob("*m*")] == ["m"]


def test_a_damaged_checkpoint_is_replaced(small, tmp_path):
    (write(small, tmp_path / "m") / FILE).unlink()
    assert checkpoint.load(write(small, tmp_path / "m")).config == small.config


def test_a_failed_save_keeps_the_older(small, tmp_path, monkeypatch):
    write(small, tmp_path / "m")

    def full(folder):
        raise OSError("no space left on device")

    monkeypatch.setattr(type(small.tokenizer), "save_pretrained", lambda self, folder: full(folder))
    with pytest.raises(OSError, match="no space"):
        write(small, tmp_path / "m")
    monkeypatch.undo()
    assert checkpoint.load(tmp_path / "m").config == small.config
    assert [path.name for path in tmp_path.glob("*m*")] == ["m"]


def test_folders_that_are_no_checkpoint(small, tmp_path, toy):
    with pytest.raises(ModelError, match=r"it has no diffusion_config\.json\. Convert it first"):
        checkpoint.load(toy("llama"))
    with pytest.raises(ModelError, match="there is no such folder"):
        checkpoint.load(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError, match="is no checkpoint"):
        write(small, tmp_path / "file")


def test_a_mask_out_of_range_is_named(small, tmp_path):
    folder = write(small, tmp_path / "m")
    data = json.loads((folder / FILE).read_text())
    (folder / FILE).write_text(json.dumps({**data, "mask_token_id": 7}))
    with pytest.raises(ModelError, match="mask_token_id 7 is out of range; the model has 7 tokens"):
        checkpoint.load(folder)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: t.pop("model.norm.weight"), r"lack model\.norm\.weight"),
        (lambda t: t.update({"model.more": torch.ones(1)}), r"have unexpected model\.more"),
        (lambda t: t.update({"model.norm.weight": torch.ones(3)}), r"model\.norm\.weight is \(3,\)"),
    ],
)
def test_wrong_tensors_are_named(spoil, words, small, tmp_path):
    folder = write(small, tmp_path / "m")
    tensors = load_file(folder / "model.safetensors")
    spoil(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=words):
        checkpoint.load(folder)


def test_a_broken_tokenizer_is_named(small, tmp_path):
    folder = write(small, tmp_path / "m")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer in .* cannot be read"):
        checkpoint.load(folder)


@pytest.mark.parametrize("family", ["llada", "a2d"])
def test_official_formats_both_ways(family, small, tmp_path):
    folder = tmp_path / "official"
    checkpoint.export(small, family, folder)
    assert not (folder / FILE).exists()
    loaded = checkpoint.load(folder)
    assert loaded.config.family == family and loaded.config.mask_token_id == small.config.mask_token_id
    ids = torch.tensor([[0, 1, 6, 3]])
    with torch.no_grad():
        assert torch.equal(loaded.model(ids).logits, small.model(ids).logits)


def test_official_names_stand_in_the_messages(small, tmp_path):
    folder = tmp_path / "official"
    checkpoint.export(small, "llada", folder)
    tensors = load_file(folder / "model.safetensors")
    name = "model.transformer.blocks.1.ff_proj.weight"
    del tensors[name]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=rf"lack {name.replace('.', '[.]')}"):
        checkpoint.load(folder)


def test_a_llada_variant_that_llama_cannot_express_is_refused(small, tmp_path):
    folder = tmp_path / "official"
    checkpoint.export(small, "llada", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "alibi": True}))
    with pytest.raises(ModelError, match="alibi = True; only False"):
        checkpoint.load(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"d_model": "wide"}, r"config\.json cannot be used: .*expected int"),
        ({"n_heads": 0}, r"config\.json cannot be used: .*zero"),
        ({"vocab_size": 2, "embedding_size": 2}, r"do not fit its config\.json"),
        ({"mask_token_id": -1}, r"config\.json: mask_token_id: .*greater than or equal to 0"),
        ({"mask_token_id": "<mask>"}, r"config\.json: mask_token_id: .*integer"),
    ],
)
def test_an_official_config_that_makes_no_sense_is_named(changes, words, small, tmp_path):
    folder = tmp_path / "official"
    checkpoint.export(small, "llada", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises((ModelError, SpecError), match=words):
        checkpoint.load(folder)


def test_a_folder_without_any_mask_token_says_so(small, tmp_path):
    folder = tmp_path / "official"
    checkpoint.export(small, "llada", folder)
    config = json.loads((folder / "config.json").read_text())
    del config["mask_token_id"]
    (folder / "config.json").write_text(json.dumps(config))
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).unlink()
    with pytest.raises(ModelError, match=r"neither config\.json nor the tokenizer names a mask token"):
        checkpoint.load(folder)
    assert checkpoint.load(folder, mask_token_id=6).tokenizer is None


def test_model_type_alone_does_not_make_a_family(small, toy, tmp_path):
    folder = tmp_path / "moe"
    shutil.copytree(toy("llama"), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**config, "model_type": "llada", "architectures": ["LLaDAMoEModelLM"]})
    )
    with pytest.raises(ModelError, match="is not a dLLM checkpoint"):
        checkpoint.load(folder)
