"""Methods that are not here, and settings that do not go together, are refused with a reason."""

import pytest

from jobs.protocol.errors import SpecError
from jobs.specs.job import TrainSpec
from jobs.specs.refused import PLACES, REFUSED

BASE = {"kind": "train", "model": {"path": "m"}, "data": {"path": "d"}}


@pytest.mark.parametrize("name", [*REFUSED, "DPO", "MoD", "rm"])
@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_a_method_that_is_not_here_says_why(name, place):
    group, key = place
    with pytest.raises(SpecError, match=rf"^{group}\.{key}: {name} is not among the methods here\. \w"):
        TrainSpec.parse({**BASE, group: {key: name}})


def test_what_is_only_misspelt_is_told_the_choices():
    with pytest.raises(SpecError, match=r"tuning\.method: .*'full', 'lora', 'layers' or 'expand'"):
        TrainSpec.parse({**BASE, "tuning": {"method": "loar"}})


TWO = {"name": "deepspeed", "processes": 2}
FSDP = {"name": "fsdp", "processes": 2}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimisation": {"optimizer": "galore"}, "launcher": TWO}, "GaLore looks at whole weights"),
        ({"optimisation": {"optimizer": "lion"}, "launcher": FSDP}, "Lion cannot read weights that FSDP"),
        ({"optimisation": {"ema_decay": 0.9}, "launcher": {**TWO, "zero_stage": 3}}, "ema_decay needs whole"),
        ({"optimisation": {"ema_decay": 0.9}, "launcher": FSDP}, "ema_decay needs whole"),
        (
            {"tuning": {"method": "lora", "quantize": "4bit"}, "launcher": FSDP},
            "4-bit weights cannot be split",
        ),
        ({"optimisation": {"optimizer": "apollo"}, "tuning": {"method": "lora"}}, "APOLLO is for whole"),
        ({"queue": {"group": "train-0001"}}, "cannot be that of a job"),
        ({"queue": {"group": "a/b"}}, "give a name without /"),
        ({"optimisation": {"optimizer": "schedule_free"}}, "set lr_schedule to constant"),
        ({"optimisation": {"offload_activations": True}}, "needs gradient_checkpointing"),
        ({"tuning": {"quantize": "4bit"}}, "goes with method lora only"),
        ({"tuning": {"method": "lora", "quantize": "4bit", "start": "pissa"}}, "pissa needs the weights"),
        (
            {"tuning": {"method": "lora", "experts": True, "dora": True}},
            "experts cannot be trained with dora",
        ),
        ({"tuning": {"modules_to_save": "norm"}}, "full trains every module"),
        ({"tuning": {"method": "layers", "layers": 0}}, "nothing would be trained"),
        ({"tuning": {"method": "expand", "layers": -1}}, "set layers to 1 or more"),
    ],
)
def test_settings_that_do_not_go_together(changes, words):
    with pytest.raises(SpecError, match=words):
        TrainSpec.parse({**BASE, **changes})


@pytest.mark.parametrize("name", ["adamw", "lion", "adamw_8bit"])
def test_optimizers_that_treat_each_number_alone_go_with_zero(name):
    TrainSpec.parse({**BASE, "optimisation": {"optimizer": name}, "launcher": TWO})
