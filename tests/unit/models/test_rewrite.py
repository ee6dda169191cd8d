"""From format to format and back: the same bits, the files that go along, and what a kill leaves."""

import json
import os
import subprocess
import sys

import pytest
import torch

from jobs.models import checkpoint, shards
from jobs.models.bidirectional import has_windows
from jobs.models.convert import convert
from jobs.models.debug import debug_checkpoint
from jobs.models.families import FAMILIES
from jobs.models.layout import atoms
from jobs.models.tokenizers import character_tokenizer
from jobs.models.weights import TensorFolder
from jobs.protocol.errors import ModelError, SpecError, StudioError
from jobs.specs.diffusion_config import FILE
from jobs.specs.job import ConvertSpec

pytestmark = pytest.mark.thorough


def run(folder, out, **options):
    convert(ConvertSpec(source=str(folder), **options), out, lambda *_: None)
    return out


@pytest.fixture
def official(tmp_path):
    """official(family) -> (a bfloat16 debug checkpoint, its folder in the official format)."""

    def write(name):
        made = debug_checkpoint(name, character_tokenizer("abcdefghijklmnop"))
        made.model.to(torch.bfloat16)
        folder = tmp_path / "official"
        checkpoint.export(made, name, folder)
        (folder / "generation_config.json").write_text('{"max_new_tokens": 7}')
        return made, folder

    return write


@pytest.mark.parametrize("name", FAMILIES)
def test_in_and_out_again_every_bit_is_the_same(name, official, tmp_path):
    made, folder = official(name)
    ours = run(folder, tmp_path / "ours", family=name)
    back = run(ours, tmp_path / "back", target="official")
    one, two = TensorFolder(folder), TensorFolder(back)
    assert sorted(one.names) == sorted(two.names)
    for tensor in one.names:
        assert one.dtype(tensor) == two.dtype(tensor)
        assert torch.equal(one.read(tensor), two.read(tensor)), tensor
    for file in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (back / file).read_bytes() == (folder / file).read_bytes() == (ours / file).read_bytes()
    assert not (back / FILE).exists()
    before, after = (json.loads((f / "config.json").read_text()) for f in (folder, back))
    assert {key for key in before if before[key] != after[key]} <= {"dtype", "architectures"}
    loaded = checkpoint.load(ours)
    assert loaded.config.family == name and loaded.config.mask_token_id == made.config.mask_token_id
    expected, got = atoms(made.model), atoms(loaded.model)
    assert all(torch.equal(tensor.float(), got[key]) for key, tensor in expected.items())


def test_what_makes_no_sense_is_refused(official, tmp_path):
    _, folder = official("llada2")
    ours = run(folder, tmp_path / "ours")

    def refused(source, words, **options):
        with pytest.raises(StudioError, match=words) as caught:
            run(source, tmp_path / "out", **options)
        assert isinstance(caught.value, (ModelError, SpecError)) and not (tmp_path / "out").exists()

    refused(ours, "needs no conversion")
    refused(folder, "in this format and layout already", target="official")
    refused(ours, "has no layout 'joined'; it has separate, merged, fused", layout="joined")
    refused(ours, "there is no 'lada'", target="official", family="lada")
    refused(ours, "LLaDA's format holds Llama models", target="official", family="llada")
    refused(folder, "in this format and layout already", target="official", dtype="bfloat16")
    refused(ours, "sliding_window: .* leave sliding_window out", target="official", sliding_window="full")
    refused(ours, "Dream's logits are shifted, this model's are not", target="official", family="dream")


@pytest.mark.parametrize("target", ["studio", "official"])
def test_the_number_format_is_changed_on_the_way(target, official, tmp_path):
    """LLaDA2's router bias only selects experts: it stays as it is."""
    made, folder = official("llada2")
    out = run(folder, tmp_path / "out", target=target, dtype="float16")
    tensors = TensorFolder(out)
    dtypes = {name: tensors.dtype(name) for name in tensors.names}
    biases = {name for name in dtypes if name.endswith("bias")}
    assert biases and {dtypes[name] for name in biases} == {torch.bfloat16}
    assert {dtype for name, dtype in dtypes.items() if name not in biases} == {torch.float16}
    config = json.loads((out / "config.json").read_text())
    assert "float16" in (config.get("dtype"), config.get("torch_dtype"))
    loaded = checkpoint.load(out)
    for key, tensor in atoms(made.model).items():
        cast = tensor if key.endswith("bias") else tensor.to(torch.float16)
        assert torch.equal(atoms(loaded.model)[key].float(), cast.float()), key


def test_a_folder_of_ours_may_change_its_number_format_alone(official, tmp_path):
    _, folder = official("llada")
    wide = run(run(folder, tmp_path / "ours"), tmp_path / "wide", dtype="float32")
    tensors = TensorFolder(wide)
    assert {tensors.dtype(name) for name in tensors.names} == {torch.float32}
    assert json.loads((wide / "config.json").read_text())["dtype"] == "float32"


@pytest.mark.parametrize("choice", ["keep", "full"])
def test_an_official_folder_with_windows_takes_the_choice_along(choice, official, tmp_path):
    _, folder = official("sdar")
    config = json.loads((folder / "config.json").read_text())
    config |= {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 0}
    (folder / "config.json").write_text(json.dumps(config))
    loaded = checkpoint.load(run(folder, tmp_path / "ours", sliding_window=choice))
    assert loaded.config.sliding_window == choice and has_windows(loaded.model.config) == (choice == "keep")
    again = run(folder, tmp_path / "default")
    assert checkpoint.load(again).config.sliding_window == "full", "SDAR's own code opens them"
    if choice == "keep":
        with pytest.raises(ModelError, match="sliding_window: full"):
            run(tmp_path / "ours", tmp_path / "back", target="official")


def test_shards_and_their_index(official, tmp_path, monkeypatch):
    _, folder = official("lladamoe")
    monkeypatch.setattr(shards, "SHARD_BYTES", 4000)
    monkeypatch.setattr(shards.write_shards, "__defaults__", (shards.write_shards.__defaults__[0], 4000))
    ours = run(folder, tmp_path / "ours")
    index = json.loads((ours / "model.safetensors.index.json").read_text())
    files = {path.name for path in ours.glob("model-*.safetensors")}
    assert set(index["weight_map"].values()) == files and len(files) > 3
    assert sorted(index["weight_map"]) == sorted(TensorFolder(ours).names)
    assert checkpoint.load(ours).config.family == "lladamoe"


KILLED = """
import os, signal, sys
from pathlib import Path
from jobs.models.convert import convert
from jobs.specs.job import ConvertSpec

for moment in ("writing", "checking"):
    def die(text, share):
        if text == moment and share > 0.3:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        target = Path(sys.argv[2], moment, "out")
        convert(ConvertSpec(source=sys.argv[1], target="official", layout="merged"), target, die)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
"""


@pytest.mark.e2e
def test_a_kill_leaves_no_folder_that_looks_whole(official, tmp_path):
    _, folder = official("llada2")
    command = [sys.executable, "-c", KILLED, folder, tmp_path / "killed"]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    for moment in ("writing", "checking"):
        home = tmp_path / "killed" / moment
        (left,) = home.iterdir()
        assert left.name.startswith(".out.partial-")
        run(folder, home / "out", target="official", layout="merged")
        assert [path.name for path in home.iterdir()] == ["out"]
