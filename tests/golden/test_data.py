"""The golden data is whole, unchanged, and every case of it is compared by a test."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.golden.cases import HERE, ROOT, index

LOGITS = "test_logits.py::test_logits_equal_the_official_ones"
DIFFULLAMA = "test_diffullama_sampler.py::test_every_canvas_equals_diffullamas"
DLLM_MDLM = "test_dllm_mdlm_sampler.py::test_every_canvas_equals_dllms"
# case -> the test that compares it; test_corruption.py sees each of them fail on changed data
CLAIMS = {
    "a2d_llama_bd3lm_sampler": "test_dllm_bd3lm_sampler.py::test_every_canvas_equals_dllms",
    "a2d_llama_logits": LOGITS,
    "a2d_qwen2_logits": LOGITS,
    "a2d_qwen2_mdlm_loss": "test_losses.py::test_mdlm_loss_equals_dllm",
    "a2d_qwen2_mdlm_sampler": DLLM_MDLM,
    "a2d_qwen3_bd3lm_loss": "test_block_losses.py::test_bd3lm_loss_equals_dllm",
    "a2d_qwen3_bd3lm_sampler": "test_dllm_bd3lm_sampler.py::test_every_canvas_equals_dllms",
    "a2d_qwen3_logits": LOGITS,
    "a2d_qwen3_mdlm_sampler": DLLM_MDLM,
    "dfactory_bd_loss": "test_block_losses.py::test_dfactory_loss_equals_the_script",
    "dfactory_moe_convertor": "test_convertor.py::test_merging_equals_the_convertor",
    "diffugpt_generate": DIFFULLAMA,
    "diffugpt_logits": LOGITS,
    "diffugpt_loss": "test_shifted_losses.py::test_ddm_loss_equals_diffullama",
    "diffullama_generate": DIFFULLAMA,
    "diffullama_logits": LOGITS,
    "diffullama_loss": "test_shifted_losses.py::test_ddm_loss_equals_diffullama",
    "dllm_dream_sampler": "test_dream_sampler.py::test_every_canvas_equals_dllms",
    "dllm_mdlm_loss_llada": "test_losses.py::test_mdlm_loss_equals_dllm",
    "dllm_mdlm_sampler_llada": DLLM_MDLM,
    "dream_cart_weights": "test_shifted_losses.py::test_cart_weights_equal_dllm",
    "dream_generate": "test_dream_sampler.py::test_every_canvas_equals_diffusion_generate",
    "dream_logits": LOGITS,
    "dream_loss": "test_shifted_losses.py::test_dream_loss_equals_dllm",
    "fastdllm_dream_nvlabs": "test_fast_dllm_dream_sampler.py::test_nvlabs_tokens_and_passes",
    "fastdllm_llada_dllm": "test_fast_dllm_sampler.py::test_dllm_history_and_passes",
    "fastdllm_llada_nvlabs": "test_fast_dllm_sampler.py::test_nvlabs_tokens_and_passes",
    "llada2_generate": "test_llada2_sampler.py::test_every_canvas_equals_dllms",
    "llada2_moe_logits": LOGITS,
    "llada_generate": "test_llada_sampler.py::test_every_canvas_equals_the_reference",
    "llada_generate_replay": "test_llada_sampler.py::test_every_canvas_equals_the_replayed_reference",
    "llada_log_likelihood": "test_likelihood.py::test_likelihood_equals_lladas",
    "llada_logits": LOGITS,
    "llada_loss": "test_losses.py::test_llada_loss_equals_the_guidelines",
    "lladamoe_generate": "test_llada_sampler.py::test_every_canvas_equals_the_reference",
    "lladamoe_logits": LOGITS,
}


def faults(folder: Path, listed: dict) -> Iterator[str]:
    """What of `folder` is not as its index says: files that lack, that changed, or that nobody knows."""
    hashes = listed["files_sha256"]
    for name in listed["cases"]:
        if not (folder / name).is_dir():
            yield f"the case {name} is missing"
    for name, expected in hashes.items():
        file = folder / name
        if not file.is_file():
            yield f"{name} is missing"
        elif hashlib.sha256(file.read_bytes()).hexdigest() != expected:
            yield f"{name} has changed"
    for case in listed["cases"]:
        for file in (folder / case).rglob("*"):
            name = file.relative_to(folder).as_posix()
            if file.is_file() and name not in hashes:
                yield f"{name} is not in INDEX.json"


def test_every_file_is_there_and_unchanged():
    assert not list(faults(ROOT, index()))


@pytest.mark.parametrize("case", sorted(index()["cases"]))
def test_every_case_is_compared_by_a_test(case):
    assert case in CLAIMS, f"no test compares {case}"
    module, test = CLAIMS[case].split("::")
    assert f"def {test}(" in Path(__file__).with_name(module).read_text(encoding="utf-8")


def test_our_copy_has_every_case_that_we_compare():
    cases = json.loads((HERE / "INDEX.json").read_text(encoding="utf-8"))["cases"]
    assert sorted(cases) == sorted(CLAIMS)


def flip(file: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def lose(file: Path) -> None:
    file.unlink()


DAMAGED = [
    "llada_loss/args.json",
    "llada_loss/meta.json",
    "llada_loss/inputs.safetensors",
    "llada_loss/expected.safetensors",
    "llada_log_likelihood/expected.json",
    "dfactory_moe_convertor/sharded/model.safetensors.index.json",
    "checkpoints/llada/config.json",
    "checkpoints/llada/model.safetensors",
]


@pytest.mark.parametrize("damage", [flip, lose])
@pytest.mark.parametrize("name", DAMAGED)
def test_damage_to_any_kind_of_file_is_noticed(name: str, damage: Callable[[Path], None], tmp_path):
    copy = tmp_path / "data"
    top = name.split("/")[0]
    shutil.copytree(HERE / top, copy / top)
    listed = {
        "cases": [top] if top != "checkpoints" else [],
        "files_sha256": {
            file: sha
            for file, sha in json.loads((HERE / "INDEX.json").read_text())["files_sha256"].items()
            if file.startswith(f"{top}/")
        },
    }
    assert not list(faults(copy, listed))
    damage(copy / name)
    assert [fault.split(" ")[0] for fault in faults(copy, listed)] == [name]


def test_a_lost_case_and_a_stray_file_are_named(tmp_path):
    listed = {"cases": ["llada_loss"], "files_sha256": {}}
    assert list(faults(tmp_path, listed)) == ["the case llada_loss is missing"]
    (tmp_path / "llada_loss").mkdir()
    (tmp_path / "llada_loss" / "new.json").write_text("{}")
    assert list(faults(tmp_path, listed)) == ["llada_loss/new.json is not in INDEX.json"]
