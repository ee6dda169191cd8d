"""Merging and splitting experts equals dFactory's scripts/moe_convertor.py to the bit."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from jobs.models.convert import convert
from jobs.models.weights import TensorFolder
from jobs.protocol.errors import ModelError
from jobs.specs.job import ConvertSpec
from tests.golden.cases import Case

CASE = Case("dfactory_moe_convertor")
MASK = 1  # the case's configs and folders name none; any token of the vocabulary does


def source(name, tmp_path):
    """A copy of a folder of the case, with a mask token in its config."""
    folder = tmp_path / f"source-{name}"
    shutil.copytree(CASE.folder / name, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "mask_token_id": MASK}))
    return folder


def run(folder, out, **options):
    convert(ConvertSpec(source=str(folder), **options), out, lambda *_: None)
    return out


def same(expected, got):
    """Names, number formats and bits of two folders."""
    one, two = TensorFolder(expected), TensorFolder(got)
    assert sorted(one.names) == sorted(two.names)
    for name in one.names:
        assert one.dtype(name) == two.dtype(name), name
        assert torch.equal(one.read(name), two.read(name)), name


@pytest.mark.parametrize("name", ["separate", "sharded"])
def test_merging_equals_the_convertor(name, tmp_path):
    merged = run(source(name, tmp_path), tmp_path / "out", target="official", layout="merged")
    same(CASE.folder / "merged", merged)
    assert sorted(TensorFolder(merged).names) == sorted(CASE.json("expected")["merged_keys"])


def test_splitting_equals_the_convertor(tmp_path):
    split = run(source("merged", tmp_path), tmp_path / "out", target="official", layout="separate")
    same(CASE.folder / "separate", split)


def test_the_config_next_to_the_experts_stays_as_it_was(tmp_path):
    folder = source("separate", tmp_path)
    merged = run(folder, tmp_path / "out", target="official", layout="merged")
    assert json.loads((merged / "config.json").read_text()) == json.loads(
        (folder / "config.json").read_text()
    )


@pytest.mark.parametrize("name", ["separate", "sharded", "merged"])
@pytest.mark.parametrize("layout", ["separate", "merged", "fused"])
def test_through_our_format_and_back_every_bit_is_the_same(name, layout, tmp_path):
    ours = run(source(name, tmp_path), tmp_path / "ours", layout=layout)
    back = run(ours, tmp_path / "back", target="official", layout="separate")
    same(CASE.folder / "separate", back)


def test_a_broken_source_leaves_nothing(tmp_path):
    folder = source("separate", tmp_path)
    tensors = load_file(folder / "model.safetensors")
    lost = next(name for name in tensors if ".experts." in name)
    (folder / "model.safetensors").unlink()
    save_file({k: v for k, v in tensors.items() if k != lost}, folder / "model.safetensors")
    with pytest.raises(ModelError, match=f"lack {lost}"):
        run(folder, tmp_path / "out", target="official", layout="merged")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source-separate"]
