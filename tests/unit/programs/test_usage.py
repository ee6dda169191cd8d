"""Model FLOPs use: counted by hand, and left out where there is no honest figure."""

from types import SimpleNamespace

import pytest
import torch

from jobs.diffusion.objectives import build_objective
from jobs.models.debug import debug_checkpoint
from jobs.models.tokenizers import character_tokenizer
from jobs.programs.training.usage import Usage, make_usage
from jobs.specs.flops import forward
from jobs.specs.gpus import PEAKS
from jobs.specs.job import TrainSpec
from jobs.specs.objective import BD3LMObjective, MDLMObjective
from jobs.specs.sizes import sizes_of

GPT2 = sizes_of({"model_type": "gpt2"})
CUDA = torch.device("cuda", 0)


def spec(**changes):
    return TrainSpec.parse(
        {
            "kind": "train",
            "model": {"path": "m"},
            "data": {"path": "d.jsonl"},
            "optimisation": {"precision": "bf16"},
            **changes,
        }
    )


def test_gpt2_counts_two_operations_for_each_value_and_attention():
    found = forward(GPT2, 1024)
    layer = 4 * 768**2 + 2 * 768 * 3072
    assert found.layers == pytest.approx(2 * 12 * layer, rel=0.01)
    assert found.attention == 4 * 12 * 1024 * 768
    assert found.vocabulary == 2 * 50257 * 768


def test_a_training_at_half_of_the_peak_has_use_one_half():
    usage = Usage(GPT2, passes=3, copies=1, peak=1e15)
    each = forward(GPT2, 128)
    sums = {"length": 128.0, "cells": 1000, "count": [50.0] * 8}
    done = 3 * (1000 * (each.layers + each.attention) + 400 * each.vocabulary)
    assert usage(sums, seconds=done / 0.5e15) == pytest.approx(0.5)
    assert usage(sums, seconds=0.0) is None


def test_block_objectives_read_each_text_twice(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100 80GB HBM3")
    model = debug_checkpoint("a2d", character_tokenizer("ab")).model
    plain, blocks = (
        make_usage(spec(), model, build_objective(objective), CUDA, 4)
        for objective in (MDLMObjective(), BD3LMObjective(block_size=4))
    )
    assert (plain.copies, blocks.copies) == (1, 2)
    assert plain.peak == 4 * PEAKS["H100"] and plain.passes == 3


@pytest.mark.parametrize(
    ("device", "name", "changes", "config"),
    [
        ("cpu", "", {}, {"model_type": "gpt2"}),
        ("cuda", "NVIDIA GeForce GTX 1080", {}, {"model_type": "gpt2"}),
        ("cuda", "NVIDIA H100", {"optimisation": {"precision": "fp32"}}, {"model_type": "gpt2"}),
        ("cuda", "NVIDIA H100", {}, {"model_type": "nobody-knows"}),
    ],
    ids=["cpu", "unknown GPU", "float32", "unknown model"],
)
def test_no_figure_is_made_up(monkeypatch, device, name, changes, config):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    model = torch.nn.Linear(1, 1)
    model.config = SimpleNamespace(to_dict=lambda: config)
    objective = build_objective(MDLMObjective())
    assert make_usage(spec(**changes), model, objective, torch.device(device), 1) is None
