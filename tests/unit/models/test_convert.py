"""Conversion: what is written, what is refused and with which sentence, and what a kill leaves behind."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BertConfig, BertLMHeadModel

from jobs.models import checkpoint, write_model
from jobs.models.convert import convert
from jobs.protocol.errors import ModelError, SpecError
from jobs.specs.diffusion_config import FILE, DiffusionConfig
from jobs.specs.job import ConvertSpec


def quiet(text: str, share: float) -> None:
    pass


def run(source, out: Path, **options) -> DiffusionConfig:
    return convert(ConvertSpec(source=str(source), **options), out, quiet)


@pytest.fixture
def copy(toy, tmp_path):
    """A toy Llama folder that may be spoilt."""
    return Path(shutil.copytree(toy("llama"), tmp_path / "source"))


def refused(source, tmp_path: Path, words: str, **options) -> None:
    """Converting is a ModelError of one line with these words, and leaves nothing."""
    with pytest.raises(ModelError, match=words) as caught:
        run(source, tmp_path / "out", **options)
    assert len(str(caught.value).splitlines()) == 1
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen3"])
def test_all_weights_but_the_mask_row_stay(kind, toy, tmp_path):
    shares = []
    spec = ConvertSpec(source=str(toy(kind)))
    config = convert(spec, tmp_path / "out", lambda text, share: shares.append(share))
    before = AutoModelForCausalLM.from_pretrained(toy(kind))
    after = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    rows = before.config.vocab_size
    for name, tensor in before.state_dict().items():
        assert torch.equal(after.state_dict()[name][: len(tensor)], tensor), name
    assert config.mask_token_id == rows and after.config.vocab_size == rows + 1
    tied = after.get_input_embeddings().weight is after.get_output_embeddings().weight
    assert tied == before.config.tie_word_embeddings
    mean = before.get_output_embeddings().weight.mean(0)
    assert torch.allclose(after.get_output_embeddings().weight[rows], mean, atol=1e-6)
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_the_result_is_a_checkpoint_with_its_tokenizer_and_template(toy, tmp_path):
    config = run(toy("llama"), tmp_path / "out", shifted_logits=True)
    loaded = checkpoint.load(tmp_path / "out")
    assert loaded.config == config and loaded.config.shifted_logits and loaded.config.family == "a2d"
    assert loaded.tokenizer.mask_token_id == config.mask_token_id
    assert "m['role']" in loaded.tokenizer.chat_template
    assert loaded.tokenizer.decode(loaded.tokenizer.encode("né <eos>")) == "né <eos>"


def test_dtype_is_kept_or_changed(toy, tmp_path):
    run(toy("llama"), tmp_path / "half", dtype="bfloat16")
    tensors = load_file(tmp_path / "half" / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    assert checkpoint.load(tmp_path / "half").model.dtype == torch.float32  # auto on a CPU
    assert checkpoint.load(tmp_path / "half", "bfloat16").model.dtype == torch.bfloat16


def test_a_special_token_may_be_reused(copy, tmp_path):
    settings = json.loads((copy / "tokenizer.json").read_text())
    settings["added_tokens"].append({**settings["added_tokens"][-1], "id": 259, "content": "<|reserved|>"})
    (copy / "tokenizer.json").write_text(json.dumps(settings))
    assert run(copy, tmp_path / "out", mask_token="<|reserved|>").mask_token_id == 259


def test_rows_beyond_the_tokenizer_are_used_first(toy, tmp_path):
    """Qwen pads its matrix: <|mask|> falls on a row that exists, which is set to the mean row."""
    model = AutoModelForCausalLM.from_pretrained(toy("llama"))
    model.resize_token_embeddings(300, mean_resizing=False)
    shutil.copytree(toy("llama"), tmp_path / "padded")
    model.save_pretrained(tmp_path / "padded")
    config = run(tmp_path / "padded", tmp_path / "out")
    weight = AutoModelForCausalLM.from_pretrained(tmp_path / "out").get_input_embeddings().weight
    assert config.mask_token_id == 259 and len(weight) == 300
    old = model.get_input_embeddings().weight
    assert torch.allclose(weight[259], old.mean(0), atol=1e-6) and torch.equal(weight[260:], old[260:])


@pytest.mark.parametrize(
    ("kind", "family", "shifted"),
    [("qwen2", "a2d", False), ("qwen2", "dream", True), ("llama", "llada", False), ("qwen3", "sdar", False)],
)
def test_straight_into_an_official_format(kind, family, shifted, toy, tmp_path):
    """In one step the same as in two: into our format, and out of it."""
    options = {"shifted_logits": shifted, "sliding_window": "full" if kind == "qwen2" else None}
    run(toy(kind), tmp_path / "one", target="official", family=family, **options)
    run(toy(kind), tmp_path / "ours", **options)
    run(tmp_path / "ours", tmp_path / "two", target="official", family=family)
    one, two = checkpoint.load(tmp_path / "one"), checkpoint.load(tmp_path / "two")
    assert one.config.model_dump(exclude={"source"}) == two.config.model_dump(exclude={"source"})
    assert one.config.family == family and one.tokenizer.mask_token == "<|mask|>"
    first, second = one.model.state_dict(), two.model.state_dict()
    assert all(torch.equal(tensor, second[key]) for key, tensor in first.items())
    assert not (tmp_path / "one" / FILE).exists()


def test_an_official_format_that_cannot_hold_the_model_is_refused(toy, tmp_path):
    official = {"target": "official"}
    refused(toy("gpt2"), tmp_path, "holds llama and qwen2 and qwen3 models, not gpt2", **official)
    refused(toy("qwen2"), tmp_path, "cannot hold a model with windows", sliding_window="keep", **official)
    for family, words in {"dream": "Dream's logits are shifted", "lada": "there is no 'lada'"}.items():
        with pytest.raises(SpecError, match=words):
            run(toy("llama"), tmp_path / "out", family=family, **official)
    with pytest.raises(SpecError, match="change the layout after that"):
        run(toy("llama"), tmp_path / "out", layout="merged")


def test_gguf_equals_the_model_it_was_made_from(toy, toy_gguf, tmp_path):
    run(toy_gguf, tmp_path / "gguf")
    run(toy("llama"), tmp_path / "folder")
    one, two = checkpoint.load(tmp_path / "gguf"), checkpoint.load(tmp_path / "folder")
    ids = torch.tensor([one.tokenizer.encode("Hi there.")])
    assert ids.tolist() == [two.tokenizer.encode("Hi there.")]
    with torch.no_grad():
        logits = [loaded.model(ids).logits[..., : loaded.config.mask_token_id] for loaded in (one, two)]
    words = min(part.shape[-1] for part in logits)  # GPT-2's tokenizer class brings a token of its own
    assert torch.allclose(logits[0][..., :words], logits[1][..., :words], atol=1e-4)
    assert "quantization_config" not in json.loads((tmp_path / "gguf" / "config.json").read_text())


def test_sources_that_are_no_models(tmp_path, copy):
    refused(tmp_path / "nowhere", tmp_path, "there is no such folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", tmp_path, "has no config.json")
    (copy / "config.json").write_text("{")
    refused(copy, tmp_path, "config.json cannot be read")
    (copy / "config.json").write_text("[]")
    refused(copy, tmp_path, "holds no keys")
    (tmp_path / "notes.txt").write_text("hello")
    refused(tmp_path / "notes.txt", tmp_path, "is a file, not a model folder")


def test_encoders_with_a_causal_head_are_refused(tmp_path):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 16}
    BertLMHeadModel(BertConfig(vocab_size=16, **sizes)).save_pretrained(tmp_path / "bert")
    refused(tmp_path / "bert", tmp_path, "not a causal language model")


def test_code_in_the_folder_is_never_run(copy, tmp_path):
    config = json.loads((copy / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoModelForCausalLM": "modeling_own.Own"}}
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "modeling_own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    refused(copy, tmp_path, "runs no code from model folders")
    assert not (tmp_path / "ran").exists()


def test_pickled_weights_are_refused(copy, tmp_path):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    refused(copy, tmp_path, "Convert them to safetensors first")


def test_broken_weights_are_refused(copy, tmp_path):
    file = copy / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    refused(copy, tmp_path, "is broken")
    file.unlink()
    refused(copy, tmp_path, "has no weights")
    (copy / "model.safetensors.index.json").write_text('{"weight_map": {"a": "part-1.safetensors"}}')
    refused(copy, tmp_path, "lacks the weight file part-1.safetensors")


def test_missing_and_unexpected_tensors_are_named(copy, tmp_path):
    file = copy / "model.safetensors"
    tensors = load_file(file)
    lost = tensors.pop("model.layers.1.mlp.up_proj.weight")
    save_file(tensors, file, metadata={"format": "pt"})
    refused(copy, tmp_path, r"lack model\.layers\.1\.mlp\.up_proj\.weight")
    tensors |= {"model.layers.1.mlp.up_proj.weight": lost, "model.extra.weight": torch.ones(2)}
    save_file(tensors, file, metadata={"format": "pt"})
    refused(copy, tmp_path, r"have unexpected model\.extra\.weight")


@pytest.mark.parametrize(
    ("token", "words"),
    [("a", "ordinary word"), ("<eos>", "eos token"), ("<pad>", "pad token"), (" ", "mask_token is empty")],
)
def test_clashing_mask_tokens_are_refused(token, words, toy, tmp_path):
    refused(toy("llama"), tmp_path, words, mask_token=token)


def test_broken_gguf_files_are_refused(toy_gguf, tmp_path):
    whole = toy_gguf.read_bytes()
    refused(tmp_path / "none.gguf", tmp_path, "there is no such file")
    for name, data in {
        "text": b"hello",
        "short": whole[:200],
        "cut": whole[: len(whole) // 2],
        "head": whole[:4],
    }.items():
        (tmp_path / f"{name}.gguf").write_bytes(data)
        refused(tmp_path / f"{name}.gguf", tmp_path, "GGUF")


def test_a_dllm_is_not_converted_twice(toy, tmp_path):
    run(toy("llama"), tmp_path / "first")
    refused(tmp_path / "first", tmp_path, "dLLM checkpoint already")


def test_a_hub_model_in_the_local_cache_is_found(toy, tmp_path, monkeypatch):
    """Laid out as huggingface_hub does it."""
    cache = tmp_path / "hub" / "models--toys--llama"
    shutil.copytree(toy("llama"), cache / "snapshots" / "abc")
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert run("toys/llama", tmp_path / "out").source == "toys/llama"
    assert checkpoint.load(tmp_path / "out").tokenizer.mask_token == "<|mask|>"


def test_one_way_layers_are_refused(copy, tmp_path):
    config = json.loads((copy / "config.json").read_text())
    config |= {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}
    config["layer_types"] = ["full_attention", "linear_attention"]
    (copy / "config.json").write_text(json.dumps(config))
    refused(copy, tmp_path, "linear_attention layers, which read a text in one direction only")


def test_an_unreachable_hub_model_says_so(tmp_path):
    refused("nobody/no-such-model", tmp_path, "cannot be got from the Hugging Face Hub")


def test_another_folder_is_never_overwritten(toy, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("important")
    with pytest.raises(ModelError, match="is no checkpoint; choose another place"):
        run(toy("llama"), tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "important"


def test_the_source_is_never_overwritten(copy):
    with pytest.raises(ModelError, match="is no checkpoint; choose another place"):
        run(copy, copy)
    assert AutoModelForCausalLM.from_pretrained(copy).config.vocab_size == 259


def test_a_model_that_stays_causal_is_not_kept(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(write_model, "later_token_matters", lambda *_: False)
    refused(toy("llama"), tmp_path, "stays causal")


def test_a_model_that_was_written_wrong_is_not_kept(toy, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(write_model, "fingerprints", lambda tensors: {"w": str(seen.append(1) or len(seen))})
    refused(toy("llama"), tmp_path, "differs from the converted one in w")


KILLED = """
import os, signal, sys
from pathlib import Path
from jobs.models import checkpoint
from jobs.models.convert import convert
from jobs.specs.job import ConvertSpec

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

source, first, *targets = sys.argv[1:]
convert(ConvertSpec(source=source), Path(first), lambda *_: None)  # what is imported late is now
for target, moment in zip(targets, ("writing", "checking", "renaming")):
    child = os.fork()
    if child == 0:
        if moment == "renaming":
            checkpoint.finish_folder = die
        convert(ConvertSpec(source=source), Path(target), lambda text, share: text == moment and die())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
"""


@pytest.mark.e2e
def test_a_kill_leaves_no_folder_that_looks_whole(toy, tmp_path):
    targets = [tmp_path / moment / "out" for moment in ("writing", "checking", "renaming")]
    command = [sys.executable, "-c", KILLED, toy("llama"), tmp_path / "first", *targets]
    subprocess.run(command, check=True)
    for target in targets:
        left = list(target.parent.iterdir())
        assert len(left) == 1 and left[0].name.startswith(".out.partial-"), "aside, and the name says so"
        assert (left[0] / FILE).exists() == (target.parent.name == "renaming")
        run(toy("llama"), target)  # the next try clears it away
        assert [path.name for path in target.parent.iterdir()] == ["out"]
