"""Training as it runs for real: curves, checkpoints, stop and resume, LoRA, two processes."""

import json
import os
import signal
from pathlib import Path

import pytest

from jobs.models import checkpoint
from jobs.programs import train as train_program
from jobs.programs.process import main
from jobs.protocol import trajectory
from jobs.protocol.folder import RunFolder, read_json, write_json
from tests.fakes.programs import (
    MODEL,
    curve,
    events,
    finish,
    free_port,
    python,
    stop_at,
    torchrun,
    training,
    wait_for,
    write_sums,
)

pytestmark = pytest.mark.e2e


@pytest.fixture
def sums(tmp_path) -> Path:
    return write_sums(tmp_path)


def train_here(run: RunFolder) -> int:
    return main("train", train_program.train, [str(run.path)])


def test_a_training_learns_and_tells_of_it(tmp_path, sums):
    run = training(
        tmp_path,
        sums,
        report={
            "evaluate_every": 30,
            "sample_every": 30,
            "save_every": 25,
            "keep_checkpoints": 2,
            "prompts": ["12+34=____"],
            "sampler": {"steps": 8, "max_new_tokens": 8, "block_size": 8},
        },
    )
    assert train_here(run) == 0
    result = read_json(run.result_json)
    assert (result["status"], result["steps"], result["model"]) == ("succeeded", 60, "model")
    assert result["validation_after"] < result["validation_before"] - 0.3
    assert set(curve(run, "validation_loss")) == {0, 30, 60}
    assert set(curve(run)) == set(range(1, 61))
    last = events(run, "metrics")[-2]["values"]
    assert {"loss", "learning_rate", "grad_norm", "tokens_per_second"} <= set(last)
    assert all(len(e["loss"]) == len(e["count"]) == 8 for e in events(run, "levels"))
    assert events(run, "progress")[-1]["step"] == 60
    phases = [e["text"] for e in events(run, "phase")]
    assert phases[:4] == ["starting", "loading the model", "reading rows", "encoding rows"]
    # checkpoints: two kept, the last step among them
    assert [e["step"] for e in events(run, "checkpoint")] == [25, 50, 60]
    assert sorted(p.name for p in run.checkpoints.iterdir()) == ["checkpoint-50", "checkpoint-60"]
    # the film
    films = events(run, "sample")
    assert [e["step"] for e in films] == [0, 30, 60]
    lines = trajectory.read(run.sample(films[-1]["request"]))
    assert lines[0]["prompt"] == "12+34=____" and lines[-1]["reason"] == "finished"
    # the model
    loaded = checkpoint.load(run.model)
    assert (loaded.config.objective, loaded.config.task) == ("mdlm", "text")


def test_a_stopped_and_resumed_training_is_the_uninterrupted_one(tmp_path, sums):
    whole, parted = training(tmp_path, sums, steps=80), training(tmp_path, sums, steps=80)
    assert train_here(whole) == 0
    process = python(parted, "train")
    stop_at(parted, 35)  # in the second epoch: 54 batches are 27 steps
    assert finish(process, parted) == 0
    first = read_json(parted.result_json)
    assert first["status"] == "stopped" and 35 <= first["steps"] < 80
    assert parted.last_checkpoint().name == f"checkpoint-{first['steps']}"
    assert not parted.model.exists()
    process = python(parted, "train")  # the first attempt was stopped, so this is a second
    assert finish(process, parted) == 0
    second = read_json(parted.result_json)
    assert (second["attempt"], second["status"], second["steps"]) == (2, "succeeded", 80)
    resumed = [e["step"] for e in events(parted, "metrics") if e["attempt"] == 2 and "loss" in e["values"]]
    assert resumed == list(range(first["steps"] + 1, 81))
    assert curve(parted) == pytest.approx(curve(whole), abs=2e-5)
    seen, alone = (
        [e["values"]["tokens_seen"] for e in events(run, "metrics") if "tokens_seen" in e["values"]]
        for run in (parted, whole)
    )
    assert seen[-1] == alone[-1] > seen[0], "a resumed run counts on"
    assert second["validation_before"] == pytest.approx(
        read_json(whole.result_json)["validation_before"], abs=1e-5
    )
    assert second["validation_after"] == pytest.approx(
        read_json(whole.result_json)["validation_after"], abs=1e-4
    )


@pytest.mark.thorough
def test_a_training_killed_after_its_last_step_only_saves_the_model(tmp_path, sums):
    run = training(tmp_path, sums, steps=6)
    assert train_here(run) == 0
    weights = checkpoint.load(run.model).model.state_dict()
    (run.model / "diffusion_config.json").unlink()
    write_json(run.attempt(1).exit_json, {})
    steps = len(curve(run))
    assert train_here(run) == 0
    assert len(curve(run)) == steps and read_json(run.result_json)["steps"] == 6
    again = checkpoint.load(run.model).model.state_dict()
    assert all(again[name].equal(weights[name]) for name in weights)


@pytest.mark.thorough
def test_sigterm_stops_like_the_stop_file(tmp_path, sums):
    run = training(tmp_path, sums, steps=100000)
    process = python(run, "train")
    wait_for(lambda: max(curve(run), default=-1) >= 3, "step 3")
    process.send_signal(signal.SIGTERM)
    assert finish(process, run) == 0
    assert read_json(run.result_json)["status"] == "stopped" and run.last_checkpoint() is not None


def test_a_stop_while_loading_needs_no_checkpoint(tmp_path, sums):
    run = training(tmp_path, sums)
    run.new_attempt().request_stop()
    os.environ["DLLM_STUDIO_ATTEMPT"] = "1"
    try:
        assert train_here(run) == 0
    finally:
        del os.environ["DLLM_STUDIO_ATTEMPT"]
    assert read_json(run.result_json)["status"] == "stopped" and run.last_checkpoint() is None


def test_errors_of_data_and_settings_are_told(tmp_path, sums):
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "1+1"}\n{"text": \n')
    run = training(tmp_path, broken)
    assert train_here(run) == 2
    assert events(run, "error")[0]["text"].startswith("broken.jsonl, line 2: broken JSON")
    run = training(tmp_path, sums, report={"prompts": ["1" * 40]})
    assert train_here(run) == 2
    assert "positions" in events(run, "error")[0]["text"]


def test_a_loss_that_is_no_number_ends_the_training(tmp_path, sums, monkeypatch):
    from jobs.programs.training.trainer import DiffusionTrainer

    compute = DiffusionTrainer.compute_loss
    monkeypatch.setattr(DiffusionTrainer, "compute_loss", lambda *a, **k: compute(*a, **k) * float("nan"))
    run = training(tmp_path, sums)
    assert train_here(run) == 2
    error = events(run, "error")[0]
    assert "diverged" in error["text"] and error["failure"] == "configuration"


def test_lora_is_merged_and_its_checkpoints_are_small(tmp_path, sums):
    base = training(tmp_path, sums, steps=4)
    assert train_here(base) == 0
    run = training(
        tmp_path,
        sums,
        steps=6,
        model={"new": None, "path": str(base.model)},
        tuning={"method": "lora", "rank": 2},
        optimisation={"gradient_checkpointing": True},
        objective={"name": "llada"},
    )
    assert train_here(run) == 0
    assert (run.last_checkpoint() / "adapter_model.safetensors").exists()
    assert not (run.last_checkpoint() / "model.safetensors").exists()
    before, after = checkpoint.load(base.model), checkpoint.load(run.model)
    assert after.config.objective == "llada"
    old, new = before.model.state_dict(), after.model.state_dict()
    assert set(old) == set(new)
    changed = {name for name in old if not old[name].equal(new[name])}
    assert changed and all("wte" not in name and "ln_" not in name for name in changed)


def test_conversations_are_trained_and_their_template_is_kept(tmp_path):
    path = tmp_path / "chat.jsonl"
    rows = [{"prompt": f"{a}+{b}", "completion": str(a + b)} for a in range(8) for b in range(8)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = training(
        tmp_path,
        path,
        steps=10,
        data={"max_length": 32, "append_eos": True},
        model={"new": {**MODEL, "config": {**MODEL["config"], "n_positions": 64}}},
        report={"prompts": ["1+2"], "sampler": {"steps": 4, "max_new_tokens": 4, "block_size": 4}},
    )
    assert train_here(run) == 0
    loaded = checkpoint.load(run.model)
    assert loaded.tokenizer.chat_template
    (film,) = events(run, "sample")
    start = trajectory.read(run.sample(film["request"]))[0]
    assert loaded.tokenizer.decode(start["ids"][: start["prompt_length"]]) == "User: 1+2\nAssistant: "
    assert any(e["values"].get("eos_share", 0) > 0 for e in events(run, "metrics"))


@pytest.mark.thorough
def test_two_processes_train_stop_and_go_on(tmp_path, sums):
    launcher = {"name": "torchrun", "processes": 2, "device": "cpu"}
    run = training(tmp_path, sums, steps=40, launcher=launcher, optimisation={"gradient_accumulation": 1})
    alone = training(tmp_path, sums, steps=1)
    process = python(run, "train", torchrun(free_port()))
    stop_at(run, 10)
    assert finish(process, run) == 0
    assert read_json(run.result_json)["status"] == "stopped"
    assert finish(python(run, "train", torchrun(free_port())), run) == 0
    result = read_json(run.result_json)
    assert (result["status"], result["steps"]) == ("succeeded", 40)
    assert sorted(curve(run)) == list(range(1, 41))  # one writer: no step comes twice in an attempt
    assert train_here(alone) == 0
    both = [read_json(r.result_json)["validation_before"] for r in (run, alone)]
    assert both[0] == pytest.approx(both[1], abs=1e-5)
