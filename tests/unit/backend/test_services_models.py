"""The model list reads folders without torch, shows broken ones, and finds models by name."""

import json
import os
import sys
from pathlib import Path

import pytest

from backend.services.models import ModelService
from jobs.protocol.errors import ModelError
from tests.fakes.model_folders import make_model, write_weights


@pytest.fixture
def service(tmp_path: Path) -> ModelService:
    assets = tmp_path / "assets"
    make_model(assets / "models" / "stories", task="text", note="Tells stories.", sampler={"steps": 8})
    return ModelService(tmp_path / "home", assets)


def test_a_view_says_what_the_files_say(service: ModelService):
    (view,) = service.list()
    assert (view.name, view.source, view.family, view.architecture) == (
        *("stories", "bundled", "a2d"),
        "GPT2LMHeadModel",
    )
    assert (view.parameters, view.dtype, view.mask_token_id) == (10, "float32", 7)
    assert view.is_dllm and view.note == "Tells stories." and view.sampler == {"name": "llada", "steps": 8}
    assert view.size_bytes == Path(view.path, "model.safetensors").stat().st_size
    assert not view.problem and not view.chat


def test_grids_and_chat_templates(service: ModelService):
    shape = {"rows": 9, "columns": 9, "box_rows": 3, "box_columns": 3}
    folder = make_model(service.home_root / "sudoku", task="grid", grid=shape)
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    view = service.get("sudoku")
    assert view.task == "grid" and view.grid == shape and view.source == "home" and view.chat


def test_a_causal_model_is_listed_but_cannot_denoise(service: ModelService):
    make_model(service.home_root / "qwen", dllm=False)
    view = service.get("qwen")
    assert not view.is_dllm and view.family == "gpt2" and not view.problem
    with pytest.raises(ModelError, match="convert it first"):
        service.dllm("qwen")
    assert view.is_causal and view.samplers == ["ar"] and view.sampler["name"] == "ar"
    assert service.writer("qwen") == service.home_root / "qwen", "but it can write"


def test_an_adapter_is_listed_with_its_base_but_is_no_model(service: ModelService):
    folder = service.home_root / "tuned"
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "base_model_name_or_path": "Qwen/Qwen3-0.6B"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    write_weights(folder / "adapter_model.safetensors", {"lora_A": ("F32", [2, 3])})
    view = service.get("tuned")
    assert view.is_adapter and not view.is_dllm and not view.problem
    assert (view.architecture, view.parameters) == ("LORA adapter", 6) and "Qwen/Qwen3-0.6B" in view.note
    with pytest.raises(ModelError, match="merge it first"):
        service.dllm("tuned")


def test_an_official_checkpoint_is_a_dllm(service: ModelService):
    folder = make_model(service.home_root / "LLaDA", dllm=False)
    config = {"model_type": "llada", "architectures": ["LLaDAModelLM"], "mask_token_id": 126336}
    (folder / "config.json").write_text(json.dumps(config))
    assert not service.get("LLaDA").is_dllm, "the tensors have to say so too"
    write_weights(folder / "model.safetensors", {"model.transformer.wte.weight": ("F32", [2, 3])})
    view = service.get("LLaDA")
    assert view.is_dllm and view.family == "llada" and view.mask_token_id == 126336
    config["architectures"] = ["LLaDAMoEModelLM"]
    (folder / "config.json").write_text(json.dumps(config))
    assert not service.get("LLaDA").is_dllm


def test_owner_and_name_folders(service: ModelService):
    make_model(service.home_root / "GSAI-ML" / "LLaDA-8B")
    assert service.resolve("GSAI-ML/LLaDA-8B") == service.home_root / "GSAI-ML" / "LLaDA-8B"


def break_config(folder: Path) -> None:
    (folder / "config.json").write_text("{not json")


def break_header(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 20)


def cut_weights(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-3])


def remove_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def remove_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def break_diffusion(folder: Path) -> None:
    (folder / "diffusion_config.json").write_text('{"mask_token_id": -4}')


def garble_diffusion(folder: Path) -> None:
    (folder / "diffusion_config.json").write_text("{")


def odd_header(folder: Path) -> None:
    text = b'{"a": 3}'
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)


BREAKAGES = [
    *(break_config, break_header, cut_weights, remove_weights, remove_config, break_diffusion),
    *(garble_diffusion, odd_header),
]


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_folder_is_listed_with_its_problem(service: ModelService, breakage):
    folder = make_model(service.home_root / "broken")
    breakage(folder)
    view = service.get("broken")
    assert view.problem and "\n" not in view.problem and str(folder) in view.problem
    assert service.get("stories").problem == ""
    with pytest.raises(ModelError):
        service.dllm("broken")


def test_the_view_is_read_again_when_a_file_changes(service: ModelService):
    folder = make_model(service.home_root / "mine")
    assert service.get("mine").parameters == 10
    assert service.get("mine") is service.get("mine")
    write_weights(folder / "model.safetensors", {"a": ("BF16", [5, 5])})
    os.utime(folder / "model.safetensors", (1, 1))
    view = service.get("mine")
    assert (view.parameters, view.dtype) == (25, "bfloat16")


def test_models_of_runs(service: ModelService):
    make_model(service.runs_root / "train-0002" / "model")
    (service.runs_root / "train-0003").mkdir()
    make_model(service.runs_root / ".deleted-train-0004-x" / "model")
    assert [view.name for view in service.list()] == ["stories", "run:train-0002"]
    assert service.resolve("run:train-0002") == service.runs_root / "train-0002" / "model"
    with pytest.raises(ModelError, match="no finished model"):
        service.resolve("run:train-0003")


@pytest.mark.parametrize(
    "name", ["storys", "run:train-9999", "run:../../etc", "../../nowhere", "/nowhere", ""]
)
def test_an_unknown_name_is_refused(service: ModelService, name: str):
    with pytest.raises(ModelError):
        service.resolve(name)


def test_the_nearest_name_is_offered(service: ModelService):
    with pytest.raises(ModelError, match="Did you mean stories"):
        service.resolve("storie")


def test_a_path_is_a_model_too(service: ModelService, tmp_path: Path):
    folder = make_model(tmp_path / "else where" / "m")
    view = service.get(str(folder))
    assert (view.source, view.name) == ("path", str(folder))


def test_a_bundled_name_is_not_hidden(service: ModelService):
    make_model(service.home_root / "stories")
    assert [view.source for view in service.list() if view.name == "stories"] == ["bundled"]


def test_no_torch():
    assert "backend.services.models" in sys.modules
    text = Path(sys.modules["backend.services.checkpoints"].__file__ or "").read_text()
    assert "import torch" not in text and "import safetensors" not in text
