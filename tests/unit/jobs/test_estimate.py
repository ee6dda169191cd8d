"""Sizes from config.json against the published numbers; estimates against arithmetic by hand."""

import pytest

from jobs.specs.estimate import RUNTIME, SPARE, estimate
from jobs.specs.job import TrainSpec
from jobs.specs.sizes import sizes_of
from tests.unit.models.published import PUBLISHED

NEAR = {"mdlm": 0.06, "bd3lm": 0.06, "sedd": 0.06, "diffusion_gemma": 0.03}  # adaptive norms are left out
SMALL = {
    **{"model_type": "llama", "hidden_size": 100, "num_hidden_layers": 10, "num_attention_heads": 10},
    **{"intermediate_size": 300, "vocab_size": 1000},
}


def config_of(name: str) -> dict:
    """The published config.json as far as the table has it, with what its class alone says."""
    model = PUBLISHED[name]
    kind = {"diffugpt": "gpt2", "bert": "bert"}.get(model.family, model.family)
    kind = "roberta" if "Roberta" in str(model.sizes.get("architectures")) else kind
    heads = {"num_attention_heads": 32} if name == "DiffuLLaMA" else {}
    return {"model_type": kind, **heads, **model.sizes}


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_come_near_the_published_number_of_values(name):
    found = sizes_of(config_of(name))
    assert found.values == pytest.approx(PUBLISHED[name].values, rel=NEAR.get(PUBLISHED[name].family, 0.01))


def test_what_works_on_a_token_of_a_mixture_is_little():
    found = sizes_of(config_of("LLaDA-MoE-7B-A1B"))
    assert 1.2e9 < found.active < 1.5e9 < found.values


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"hidden_size": 8},
        {"model_type": "mamba", "vocab_size": 10},
        {**SMALL, "intermediate_size": [1, 2]},
    ],
    ids=len,
)
def test_a_config_without_sizes_has_none(config):
    assert sizes_of(config) is None


def plan(**changes):
    spec = {
        "kind": "train",
        "model": {"path": "x"},
        "data": {"path": "d.jsonl", "max_length": 50},
        "objective": {"name": "llada"},
        "optimisation": {"batch_size": 2, **changes.pop("optimisation", {})},
        **changes,
    }
    return estimate(TrainSpec.parse(spec), sizes_of(SMALL), on_gpu=True)


def states(found) -> list[float]:
    """Weights, gradients, optimizer in bytes a value."""
    named = (found.device[name] / SPARE / found.values for name in ("weights", "gradients", "optimizer"))
    return [round(number, 2) for number in named]


@pytest.mark.parametrize(
    ("launcher", "optimisation", "wanted"),
    [
        ({}, {}, [4, 4, 8]),
        ({}, {"precision": "bf16"}, [6, 4, 8]),
        ({}, {"optimizer": "lion"}, [4, 4, 4]),
        ({}, {"ema_decay": 0.9}, [4, 4, 12]),
        ({"name": "torchrun", "processes": 4}, {}, [4, 8, 8]),
        ({"name": "deepspeed", "processes": 4, "zero_stage": 0}, {"precision": "bf16"}, [2, 2, 12]),
        ({"name": "deepspeed", "processes": 4, "zero_stage": 1}, {"precision": "bf16"}, [2, 2, 3]),
        ({"name": "deepspeed", "processes": 4, "zero_stage": 2}, {"precision": "bf16"}, [2, 0.5, 3]),
    ],
)
def test_states_are_what_the_launcher_keeps(launcher, optimisation, wanted):
    assert states(plan(launcher=launcher, optimisation=optimisation)) == wanted


@pytest.mark.parametrize("name", ["fsdp", "deepspeed"])
def test_split_weights_leave_one_share_and_what_is_gathered(name):
    split = {"name": name, "processes": 8, **({"zero_stage": 3} if name == "deepspeed" else {})}
    whole, shared = plan(launcher={}), plan(launcher=split)
    weights, gradients, optimizer = states(shared)
    assert gradients == 0.5 and optimizer in (1.0, 1.5) and 0.5 < weights < states(whole)[0]
    moved = plan(launcher={**split, "offload_weights": True})
    assert moved.device["weights"] < shared.device["weights"]
    assert shared.machine == 4 * whole.values, "one process loads the whole model and sends it"
    four = plan(launcher={"name": "torchrun", "processes": 8}, tuning={"method": "lora", "quantize": "4bit"})
    assert four.machine > 8 * 2 * whole.values, "4-bit weights are made by each process"


def test_lora_trains_little_and_four_bits_keep_little():
    whole = plan()
    lora = plan(tuning={"method": "lora", "rank": 4}, optimisation={"precision": "bf16"})
    four = plan(tuning={"method": "lora", "rank": 4, "quantize": "4bit"}, optimisation={"precision": "bf16"})
    assert lora.trained == 4 * 10 * (7 * 2 * 100 + 3 * 200) < whole.trained / 10
    assert four.device["weights"] < lora.device["weights"] < whole.device["weights"]
    assert lora.operations == pytest.approx(whole.operations * 2 / 3)


def test_checkpointing_saves_activations_and_costs_a_pass():
    plain, saved = plan(), plan(optimisation={"gradient_checkpointing": True})
    assert saved.device["activations"] < plain.device["activations"] / 3
    assert saved.operations == pytest.approx(plain.operations * 4 / 3)


def test_block_objectives_stand_beside_the_clean_text():
    plain, blocks = plan(), plan(objective={"name": "bd3lm", "block_size": 5})
    assert blocks.device["activations"] == pytest.approx(2 * plain.device["activations"], rel=1e-6)
    assert blocks.tokens == plain.tokens == 100


def test_operations_are_six_for_each_value_and_token():
    found, sizes = plan(optimisation={"gradient_accumulation": 3}), sizes_of(SMALL)
    attention = 12 * 10 * 50 * 100
    assert found.operations == (6 * sizes.active + attention) * 2 * 50 * 3
    assert found.seconds(10, found.operations) == 10


def test_logits_never_outgrow_their_chunk():
    assert plan(data={"path": "d", "max_length": 100_000}).device["logits"] == int(2**26 * 12 * SPARE)


def test_the_runtime_is_the_devices():
    assert plan().device["runtime"] == RUNTIME["cuda"]
