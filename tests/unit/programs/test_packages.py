"""What a training asks for beside the studio's own packages is looked for before its model is."""

import sys
from types import ModuleType

import pytest
import torch

from jobs.models.debug import debug_checkpoint
from jobs.models.tokenizers import character_tokenizer
from jobs.programs import train
from jobs.programs.training import arguments, packages
from jobs.protocol.errors import ModelError, ResourceError
from jobs.specs.job import TrainSpec
from tests.fakes.small_training import begin, go_on

SETTINGS = {
    "galore-torch": {"optimisation": {"optimizer": "galore"}},
    "apollo-torch": {"optimisation": {"optimizer": "apollo"}},
    "adam-mini": {"optimisation": {"optimizer": "adam_mini"}},
    "schedulefree": {"optimisation": {"optimizer": "schedule_free", "lr_schedule": "constant"}},
    "bitsandbytes": {"tuning": {"method": "lora", "quantize": "4bit"}},
}


@pytest.mark.parametrize("package", SETTINGS)
def test_a_missing_package_is_named_before_the_model_is_read(package, tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    monkeypatch.setattr(train, "load_model", lambda spec: pytest.fail("the model was read"))
    with pytest.raises(ResourceError, match=f"Install it with: pip install {package}$"):
        go_on(begin(tmp_path, **SETTINGS[package]))


def test_a_training_of_nothing_special_needs_nothing(tmp_path):
    spec = TrainSpec.parse(begin(tmp_path).spec())
    assert packages.needs(spec) == []


@pytest.mark.parametrize("setting", packages.FOR_GPUS)
def test_some_settings_are_for_gpus(setting, tmp_path):
    optimisation = {"gradient_checkpointing": True, setting: True}
    spec = TrainSpec.parse(begin(tmp_path, optimisation=optimisation).spec())
    with pytest.raises(ResourceError, match=rf"optimisation\.{setting}: .* this training is on cpu"):
        packages.check(spec, torch.device("cpu"))


def test_liger_needs_its_package(tmp_path, monkeypatch):
    spec = TrainSpec.parse(begin(tmp_path, optimisation={"liger_kernels": True}).spec())
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    with pytest.raises(ResourceError, match="pip install liger-kernel"):
        packages.check(spec, torch.device("cuda"))


def test_a_model_that_liger_does_not_know_is_refused(monkeypatch):
    known = ModuleType("liger_kernel.transformers.monkey_patch")
    known.MODEL_TYPE_TO_APPLY_LIGER_FN = {"qwen3": None}
    for name in ("liger_kernel", "liger_kernel.transformers", known.__name__):
        monkeypatch.setitem(sys.modules, name, known)
    packages.check_liger(debug_checkpoint("a2d", character_tokenizer("ab")).model)
    with pytest.raises(ModelError, match="Liger does not know bert models"):
        packages.check_liger(debug_checkpoint("bert", character_tokenizer("ab")).model)


@pytest.mark.parametrize(
    ("changes", "own"),
    [
        ({}, True),
        ({"optimisation": {"optimizer": "lion"}}, False),
        ({"tuning": {"method": "lora", "lora_plus": 16}}, False),
    ],
)
def test_deepspeed_makes_its_own_adamw_and_is_handed_the_rest(changes, own, tmp_path):
    launcher = {"name": "deepspeed", "processes": 2, "device": "cpu"}
    config = arguments.deepspeed_config(TrainSpec.parse(begin(tmp_path, launcher=launcher, **changes).spec()))
    assert ("optimizer" in config) == own
    assert config.get("zero_allow_untested_optimizer", False) == (not own)
