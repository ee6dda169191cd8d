"""The optimizers by themselves: groups, a problem that each must get better at, and states that survive."""

import copy
from importlib.util import find_spec

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from jobs.models.adapters import add_lora
from jobs.programs.training import optimizers
from jobs.specs.job import TrainSpec
from jobs.specs.optimisation import OPTIMIZERS, OptimisationSpec
from jobs.specs.tuning import TuningSpec

IDS = torch.arange(12).reshape(2, 6)


@pytest.fixture
def model():
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    return LlamaForCausalLM(LlamaConfig(**sizes, vocab_size=12, tie_word_embeddings=True))


def spec_of(name="adamw", **tuning):
    schedule = {"lr_schedule": "constant"} if name == "schedule_free" else {}
    rates = {"learning_rate": 1e-2, "weight_decay": 0.1, "optimizer_rank": 4}
    optimisation = {"optimizer": name, **rates, **schedule}
    return TrainSpec.parse(
        {
            "kind": "train",
            "model": {"path": "m"},
            "data": {"path": "d"},
            "optimisation": optimisation,
            "tuning": tuning,
        }
    )


def build(model, name="adamw"):
    info = OPTIMIZERS[name]
    if info.module is not None and find_spec(info.module) is None:
        pytest.skip(f"{info.package} is not installed")
    decaying = {name for name, p in model.named_parameters() if p.dim() > 1}
    return optimizers.build(model, spec_of(name), decaying)


def steps(model, optimizer, count):
    """The losses of some steps on one batch."""
    found = []
    for _ in range(count):
        loss = model(input_ids=IDS, labels=IDS).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def test_there_is_a_builder_for_every_name():
    assert set(optimizers.BUILDERS) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_lowers_the_loss_and_goes_on_from_its_state(name, model):
    model.train()
    optimizer = build(model, name)
    if name == "schedule_free":
        optimizer.train()
    first = steps(model, optimizer, 8)
    assert first[-1] < 0.97 * first[0]
    again = copy.deepcopy(model)
    other = build(again, name)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert steps(again, other, 3) == pytest.approx(steps(model, optimizer, 3), rel=1e-5)


def test_groups_tell_matrices_of_layers_and_what_decays(model):
    o = OptimisationSpec(weight_decay=0.1)
    decaying = {name for name, p in model.named_parameters() if p.dim() > 1}
    found = {(g["is_matrix"], g["weight_decay"]): g["params"] for g in optimizers.groups(model, o, decaying)}
    embedding, layer = model.get_input_embeddings().weight, model.model.layers[0]
    assert [id(p) for p in found[False, 0.1]] == [id(embedding)]
    assert len(found[True, 0.1]) == len([p for p in layer.parameters() if p.dim() == 2])
    assert all(p.dim() == 1 for p in found[False, 0.0])
    assert sum(len(group) for group in found.values()) == len(list(model.parameters()))


def test_what_is_frozen_is_in_no_group(model):
    model.get_input_embeddings().weight.requires_grad_(False)
    found = optimizers.groups(model, OptimisationSpec(), set())
    assert not any(p is model.get_input_embeddings().weight for group in found for p in group["params"])


def test_lora_plus_lets_the_second_matrices_learn_faster(model):
    tuning = TuningSpec(method="lora", rank=2, lora_plus=16)
    wrapped = add_lora(model, tuning)
    made = optimizers.build(wrapped, spec_of(**tuning.model_dump()), set())
    rates = {id(p): group["lr"] for group in made.param_groups for p in group["params"]}
    for name, parameter in wrapped.named_parameters():
        if parameter.requires_grad:
            assert rates[id(parameter)] == pytest.approx(0.16 if "lora_B" in name else 0.01)
    assert made.param_groups[0]["lr"] == 0.01, "the rate that is reported"


def test_muon_and_adamw_look_like_one_optimizer(model):
    made = build(model, "muon")
    assert [type(part).__name__ for part in made.parts] == ["Muon", "AdamW"]
    for group in made.param_groups:  # as a schedule does it
        group["lr"] = 0.0
    before = [p.detach().clone() for p in model.parameters()]
    steps(model, made, 1)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_eight_bits_are_eight_bits_but_for_embeddings():
    """Small tensors are kept whole by bitsandbytes, so this model is larger."""
    sizes = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 80}
    model = LlamaForCausalLM(LlamaConfig(**sizes, vocab_size=80, tie_word_embeddings=True)).train()
    made = build(model, "adamw_8bit")
    first = steps(model, made, 8)
    assert first[-1] < 0.97 * first[0]
    kinds = {name: made.state[p]["state1"].dtype for name, p in model.named_parameters()}
    assert kinds["model.layers.0.mlp.up_proj.weight"] == torch.uint8
    assert kinds["model.embed_tokens.weight"] == torch.float32


@pytest.mark.parametrize(("name", "kept"), [("galore", "exp_avg"), ("apollo", "exp_avg")])
def test_projected_gradients_have_small_states(name, kept, model):
    made = build(model, name)
    steps(model, made, 1)
    matrix, vector = model.model.layers[0].mlp.up_proj.weight, model.model.norm.weight
    assert 4 in made.state[matrix][kept].shape and made.state[matrix][kept].numel() < matrix.numel()
    assert made.state[vector][kept].shape == vector.shape
