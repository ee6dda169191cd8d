"""Every objective trains through the train program: two steps in this process, with its own defaults."""

import pytest

from jobs.diffusion.objectives import OBJECTIVES as IMPLEMENTED
from jobs.programs import train
from jobs.programs.process import Process
from jobs.programs.training import rates
from jobs.protocol.events import read_events
from jobs.protocol.folder import RunFolder, read_json
from jobs.specs.diffusion_config import FILE, DiffusionConfig
from jobs.specs.job import TrainSpec
from jobs.specs.objective import OBJECTIVES

pytestmark = pytest.mark.thorough

CAUSAL = [name for name, objective in IMPLEMENTED.items() if objective.causal]
MODEL = {
    "architecture": "llama",
    "config": {
        **{"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24},
        **{"initializer_range": 0.3, "max_position_embeddings": 64},
    },
    "tokenizer": "characters:abcdefghijklmnopqrstuvwxyz AU:_\n",
}


def run_two_steps(tmp_path, model, **changes):
    """(run folder, the spec as the program carried it out) of a training of two steps."""
    data = tmp_path / "d.jsonl"
    data.write_text("".join(f'{{"prompt": "{c}", "completion": "{c * 9}"}}\n' for c in "abcdefghijklmnop"))
    spec = TrainSpec.parse(
        {
            "kind": "train",
            "model": model,
            "data": {"path": str(data), "max_length": 48, "validation": 0.2},
            "optimisation": {"steps": 2, "batch_size": 4, "learning_rate": 1e-2},
            "report": {"log_every": 1},
            "launcher": {"device": "cpu"},
            **changes,
        }
    )
    run = RunFolder.create(tmp_path / "runs", "train", spec.model_dump(mode="json"))
    process = Process(run, run.new_attempt(), spec)
    train.train(process)
    return run, process.spec


@pytest.mark.parametrize("name", OBJECTIVES)
def test_two_steps(name, tmp_path):
    run, spec = run_two_steps(tmp_path, {"new": MODEL}, objective={"name": name})
    events = [event for _, event in read_events(run.events)]
    losses = [e["values"]["loss"] for e in events if e["event"] == "metrics" and "loss" in e["values"]]
    levels = [e for e in events if e["event"] == "levels"]
    assert len(losses) == len(levels) == 2 and all(loss > 0 for loss in losses)
    assert all(sum(e["count"]) > 0 for e in levels)
    assert any(e["event"] == "validation_levels" for e in events)
    accuracy = {key for e in events if e["event"] == "metrics" for key in e["values"] if "accuracy" in key}
    assert accuracy == (set() if name in CAUSAL else {"accuracy_15", "accuracy_50", "accuracy_85"})
    if name in CAUSAL:
        assert not (run.model / FILE).exists(), "a causal model, not a dLLM"
        return
    # The checkpoint says what it was trained with, so that samplers need not guess.
    config = DiffusionConfig.load(run.model)
    assert config.objective == name
    assert config.block_size == getattr(spec.objective, "block_size", None)


@pytest.mark.parametrize(
    "first", [{"name": "llada"}, {"name": "dfactory", "block_size": 8}, {"name": "ddm", "anneal_steps": 5}]
)
def test_a_training_that_chooses_nothing_goes_on_as_the_checkpoint_was_trained(first, tmp_path):
    before, _ = run_two_steps(tmp_path, {"new": MODEL}, objective=first)
    after, spec = run_two_steps(tmp_path, {"path": str(before.model)})
    assert spec.objective.name == first["name"]
    one, two = DiffusionConfig.load(before.model), DiffusionConfig.load(after.model)
    assert (one.objective, one.block_size) == (two.objective, two.block_size)
    assert getattr(spec.objective, "anneal_steps", 1) == 1, "what is open already stays open"


def test_a_search_for_the_learning_rate_raises_it_and_saves_no_model(tmp_path):
    search = {"steps": 30, "batch_size": 4, "learning_rate": 1.0, "lr_schedule": "rising"}
    run, _ = run_two_steps(tmp_path, {"new": MODEL}, optimisation=search)
    result = read_json(run.result_json)
    points = rates.curve(run)
    assert [rate for rate, _ in points] == sorted(rate for rate, _ in points) and points[0][0] < 1e-5
    assert result["status"] == "succeeded" and result["suggested_rate"] == rates.suggested(points)
    assert result["steps"] == len(points) and not run.model.exists()
