"""Training under DeepSpeed on two CPU processes.

DeepSpeed compiles its CPU communication at first use: about two minutes, kept in TORCH_EXTENSIONS_DIR.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.models import checkpoint
from jobs.protocol.folder import RunFolder, read_json
from tests.fakes.programs import curve, environment, finish, free_port, stop_at, training, write_sums

pytestmark = [pytest.mark.e2e, pytest.mark.thorough, pytest.mark.filterwarnings("ignore")]

COMPILING = 420.0  # seconds for the first start


def deepspeed(run: RunFolder) -> subprocess.Popen:
    venv = str(Path(sys.executable).parent)
    launcher = ["-m", "deepspeed.launcher.runner", "--num_gpus", "2", "--master_port", str(free_port())]
    command = [sys.executable, *launcher, "--module", "jobs.programs.train", str(run.path)]
    path = os.pathsep.join([venv, os.environ["PATH"]])
    with open(run.path / "log.txt", "ab") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, env=environment(PATH=path, DS_ACCELERATOR="cpu")
        )


def spec(stage: int) -> dict:
    return {"name": "deepspeed", "processes": 2, "device": "cpu", "zero_stage": stage}


def test_zero_2_stops_and_goes_on(tmp_path):
    run = training(
        tmp_path,
        write_sums(tmp_path),
        steps=60,
        launcher=spec(2),
        optimisation={"gradient_accumulation": 1},
    )
    process = deepspeed(run)
    stop_at(run, 10, patience=COMPILING)
    assert finish(process, run) == 0
    assert read_json(run.result_json)["status"] == "stopped"
    assert finish(deepspeed(run), run) == 0
    result = read_json(run.result_json)
    assert (result["status"], result["attempt"], result["steps"]) == ("succeeded", 2, 60)
    assert sorted(curve(run)) == list(range(1, 61))
    assert result["validation_after"] < result["validation_before"]
    assert read_json(run.attempt(2).path / "deepspeed.json")["zero_optimization"]["stage"] == 2
    checkpoint.load(run.model)


def test_zero_3_trains_a_lora_and_unmasks_a_prompt(tmp_path):
    """All ranks must take part in whatever runs the model: its weights are split."""
    run = training(
        tmp_path,
        write_sums(tmp_path),
        steps=8,
        launcher=spec(3),
        tuning={"method": "lora", "rank": 2},
        report={"prompts": ["1+1=____"], "sampler": {"steps": 4, "max_new_tokens": 4, "block_size": 4}},
    )
    assert finish(deepspeed(run), run, patience=COMPILING) == 0
    assert read_json(run.result_json)["status"] == "succeeded"
    assert len(list(run.samples.iterdir())) == 1
    checkpoint.load(run.model)
