"""The command line without a server, as a person uses it: real processes, a tiny model, a hostile home."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

STUDIO = [sys.executable, "-m", "studio.cli.main"]
GRID = "3.2.....2.1..34."
SPEC = """
kind: train
name: tiny
model:
  new:
    architecture: gpt2
    config: {n_embd: 16, n_layer: 1, n_head: 2, n_positions: 16}
    tokenizer: "characters:1234"
    grid: {rows: 4, columns: 4, box_rows: 2, box_columns: 2}
    sampler: {name: llada, steps: 16, max_new_tokens: 16, block_size: 16}
data:
  builder: sudoku
  options: {size: 4, rows: 200}
  format: text
  max_length: 16
  packing: false
  append_eos: false
optimisation: {steps: 3, batch_size: 8}
launcher: {device: cpu}
"""


def studio(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*STUDIO, *words], capture_output=True, text=True, timeout=300)


def jobs() -> dict[str, dict]:
    return {job["id"]: job for job in json.loads(studio("jobs", "--json").stdout)}


def until(condition, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(SPEC)
    return str(path)


@pytest.fixture(autouse=True)
def nothing_left_behind(studio_home: Path):
    yield
    for job in jobs().values() if studio_home.exists() else ():
        if job["ended_at"] is None:
            studio("stop", job["id"], "--grace", "0")
    if studio_home.exists():
        until(lambda: all(job["ended_at"] for job in jobs().values()))


def test_train_then_sample(spec: str, tmp_path: Path):
    ran = studio("run", spec, "--wait")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "train-0001\n" and "train-0001 succeeded" in ran.stderr
    (model,) = [m for m in json.loads(studio("models", "--json").stdout) if m["source"] == "run"]
    assert (model["name"], model["task"], model["problem"]) == ("run:train-0001", "grid", "")
    sampled = studio("sample", "run:train-0001", "--prompt", GRID, "--json")
    assert sampled.returncode == 0, sampled.stderr
    answer = json.loads(sampled.stdout)
    assert answer["forward_passes"] == GRID.count(".") and "." not in answer["text"]
    assert not [job for job in jobs().values() if job["ended_at"] is None]  # its model server has left

    prompts = tmp_path / "prompts.txt"
    prompts.write_text(f"{GRID}\n{'.' * 16}\n")
    sampled = studio("sample", "run:train-0001", "--prompts", str(prompts), "--steps", "4", "--json")
    assert sampled.returncode == 0, sampled.stderr
    assert [answer["prompt"] for answer in json.loads(sampled.stdout)] == [GRID, "." * 16]


@pytest.mark.thorough
def test_ctrl_c_leaves_the_job_running(spec: str):
    long = ["--set", "optimisation.steps=100000", "--set", "report.log_every=1"]
    waiting = subprocess.Popen(
        [*STUDIO, "run", spec, "--wait", *long], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until(lambda: any((job["step"] or 0) > 2 for job in jobs().values()))
    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 130
    assert "goes on without you" in err and "Traceback" not in err
    before = jobs()["train-0001"]["step"]
    until(lambda: jobs()["train-0001"]["step"] > before)  # no server, and yet it goes on and is seen
    following = subprocess.Popen([*STUDIO, "logs", "-f", "train-0001"], stdout=subprocess.PIPE)
    assert "train-0001" in studio("stop", "train-0001").stdout
    following.communicate(timeout=120)  # ends with the job, though no server tells of its end
    assert following.returncode == 0
    assert jobs()["train-0001"]["state"] == "stopped"
    assert jobs()["train-0001"]["resumable"]


def test_a_pipe_that_closes_early_is_told_nothing(spec: str):
    assert studio("run", spec).returncode == 0
    read, write = os.pipe()
    os.close(read)
    closed = subprocess.run([*STUDIO, "jobs", "--json"], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert closed.stderr == ""
