"""Sampling, serving and converting as they run for real."""

import json
import os
import socket
from pathlib import Path

import pytest

from jobs.models import checkpoint
from jobs.programs import sample as sample_program
from jobs.programs.process import main
from jobs.protocol import trajectory
from jobs.protocol.folder import RunFolder, read_json
from tests.fakes.programs import (
    MODEL,
    PATIENCE,
    events,
    finish,
    make_run,
    python,
    wait_for,
)

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A model with random weights, saved as a training would."""
    from jobs.models.create import create
    from jobs.specs.job import NewModelSpec

    made = create(NewModelSpec(**MODEL, sampler={"steps": 8, "max_new_tokens": 8, "block_size": 8}), seed=0)
    folder = tmp_path_factory.mktemp("model") / "m"
    checkpoint.save(made.model, made.tokenizer, made.config, folder)
    return folder


def test_sampling_resumes_with_the_same_answers(tmp_path, trained):
    prompts = tmp_path / "p.txt"
    prompts.write_text("".join(f"{i}+{10 * i}=\n" for i in range(7)))
    warm = {"steps": 8, "max_new_tokens": 8, "block_size": 8, "temperature": 1.0}
    spec = {
        "model": str(trained), "prompts": str(prompts), "batch_size": 3, "sampler": warm, "trajectories": True
    }  # fmt: skip
    runs = [make_run(tmp_path, "sample", **spec) for _ in range(2)]
    assert main("sample", sample_program.sample, [str(runs[0].path)]) == 0
    whole = [json.loads(line) for line in runs[0].predictions.read_text().splitlines()]
    assert [p["index"] for p in whole] == list(range(7)) and {p["nfe"] for p in whole} == {8}
    assert trajectory.read(runs[0].sample(f"{runs[0].id}_prompt-4"))[-1]["text"] == whole[4]["text"]
    # killed in the middle of the second batch's line
    cut = runs[0].predictions.read_bytes().splitlines(keepends=True)
    runs[1].predictions.write_bytes(b"".join(cut[:4]) + cut[4][:10])
    assert main("sample", sample_program.sample, [str(runs[1].path)]) == 0
    again = [json.loads(line) for line in runs[1].predictions.read_text().splitlines()]
    assert [(p["index"], p["text"]) for p in again] == [(p["index"], p["text"]) for p in whole]
    assert read_json(runs[1].result_json)["answered"] == 7


def test_an_answer_does_not_depend_on_its_batch(tmp_path, trained):
    prompts = tmp_path / "p.txt"
    prompts.write_text("1=\n22+33=\n444+555+6=\n")  # of unequal length: padded in a batch
    answers = []
    for size in (1, 3):
        run = make_run(tmp_path, "sample", model=str(trained), prompts=str(prompts), batch_size=size)
        assert main("sample", sample_program.sample, [str(run.path)]) == 0
        answers.append([json.loads(line)["text"] for line in run.predictions.read_text().splitlines()])
    assert answers[0] == answers[1]


def test_sampling_stops_between_batches(tmp_path, trained):
    prompts = tmp_path / "p.txt"
    prompts.write_text("1+1=\n2+2=\n")
    run = make_run(tmp_path, "sample", model=str(trained), prompts=str(prompts))
    attempt = run.new_attempt()
    os.environ["DLLM_STUDIO_ATTEMPT"] = "1"
    attempt.request_stop()
    try:
        assert main("sample", sample_program.sample, [str(run.path)]) == 0
    finally:
        del os.environ["DLLM_STUDIO_ATTEMPT"]
    assert read_json(run.result_json)["status"] == "stopped"


def talk(run: RunFolder, **request) -> dict:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        folder = os.open(run.attempt(1).path, os.O_RDONLY)
        try:
            client.connect(f"/proc/self/fd/{folder}/serve.sock")
        finally:
            os.close(folder)
        client.sendall((json.dumps(request) + "\n").encode())
        return json.loads(client.makefile().readline())


def ended(run: RunFolder, request: str) -> bool:
    return (
        run.sample(request).read_text().rstrip().endswith("}")
        and '"type":"end"' in run.sample(request).read_text()
    )


def test_the_server_generates_cancels_and_leaves(tmp_path, trained):
    run = make_run(tmp_path, "serve", model=str(trained), idle_seconds=600)
    process = python(run, "serve")
    wait_for(lambda: (run.attempt(1).socket).exists(), "the socket")
    assert talk(run, op="status")["ok"]
    ask = {"op": "generate", "model": str(trained), "prompt": "1+1="}
    assert talk(run, request="r1", **ask) == {"ok": True, "request": "r1"}
    wait_for(lambda: ended(run, "r1"), "the answer")
    lines = trajectory.read(run.sample("r1"))
    assert lines[-1]["reason"] == "finished" and lines[0]["sampler"]["max_new_tokens"] == 8  # the preset
    # a queue of requests, the last of which is cancelled before its turn
    names = [f"q{i}" for i in range(30)]
    for name in names:
        assert talk(run, request=name, **ask)["ok"]
    assert talk(run, op="cancel", request="q29") == {"ok": True}
    wait_for(lambda: all(ended(run, name) for name in names), "all answers")
    assert trajectory.read(run.sample("q29"))[-1]["reason"] == "cancelled"
    assert not talk(run, op="cancel", request="q1")["ok"]
    assert talk(run, op="status")["models"] == [str(trained)]
    assert talk(run, op="unload", model=str(trained))["ok"]
    wait_for(lambda: talk(run, op="status")["models"] == [], "the model to leave")
    assert not talk(run, op="dance")["ok"]
    assert talk(run, op="shutdown") == {"ok": True}
    assert finish(process, run) == 0
    assert read_json(run.result_json)["status"] == "succeeded" and not run.attempt(1).socket.exists()


def test_a_request_is_paused_goes_on_and_is_branched(tmp_path, trained):
    run = make_run(tmp_path, "serve", idle_seconds=600)
    process = python(run, "serve")
    wait_for(lambda: run.attempt(1).socket.exists(), "the socket")
    forced = {"constraints": {"3": "7"}, "prefix": "1", "suffix": "="}
    assert talk(run, op="generate", request="a", model=str(trained), prompt="1+1=", **forced)["ok"]
    assert talk(run, op="pause", request="a") == {"ok": True}  # while its model is loaded
    wait_for(lambda: len(trajectory.read(run.sample("a"))) > 0, "the canvas")
    (known,) = talk(run, op="status")["requests"]
    assert known["state"] == "paused" and not ended(run, "a")
    assert talk(run, op="resume", request="a") == {"ok": True}
    wait_for(lambda: ended(run, "a"), "the answer")
    lines = trajectory.read(run.sample("a"))
    loaded = checkpoint.load(trained)
    spelled = [loaded.tokenizer.decode([token]) for token in trajectory.canvas_after(lines)[4:]]
    assert (spelled[0], spelled[3], spelled[-1]) == ("1", "7", "=")
    source = str(run.sample("a"))
    for name, step in (("b", 0), ("c", 99)):
        assert talk(run, op="branch", request=name, step=step, pins={"5": "2"}, **{"from": source})["ok"]
        wait_for(lambda name=name: ended(run, name), "the branch")
    branch, refused = (trajectory.read(run.sample(name)) for name in "bc")
    assert branch[0]["parent"]["request"] == "a" and branch[-1]["reason"] == "finished"
    assert loaded.tokenizer.decode(trajectory.canvas_after(branch)[5:6]) == "2"
    assert refused[-1]["reason"] == "error" and "has no step 99" in refused[-1]["error"]
    assert talk(run, op="shutdown") == {"ok": True}
    assert finish(process, run) == 0


@pytest.mark.thorough
def test_the_server_leaves_when_idle_or_told(tmp_path, trained):
    idle, told = (make_run(tmp_path, "serve", idle_seconds=s) for s in (5, 600))
    processes = [python(idle, "serve"), python(told, "serve")]
    wait_for(lambda: told.attempt(1).socket.exists(), "the socket")
    told.attempt(1).request_stop()
    assert [finish(p, r) for p, r in zip(processes, (idle, told), strict=True)] == [0, 0]
    assert [read_json(r.result_json)["status"] for r in (idle, told)] == ["succeeded", "stopped"]


def test_a_causal_model_is_converted(tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    from jobs.models.tokenizers import character_tokenizer

    source = tmp_path / "causal"
    tokenizer = character_tokenizer("0123456789+=")
    tokenizer.mask_token = None
    GPT2LMHeadModel(
        GPT2Config(vocab_size=20, n_embd=16, n_layer=1, n_head=2, n_positions=32)
    ).save_pretrained(source)
    tokenizer.save_pretrained(source)
    run = make_run(tmp_path, "convert", source=str(source))
    assert finish(python(run, "convert"), run) == 0
    result = read_json(run.result_json)
    assert result["status"] == "succeeded"
    assert checkpoint.load(run.model).config.mask_token_id == result["config"]["mask_token_id"]
    assert events(run, "progress")[-1]["step"] == 100
