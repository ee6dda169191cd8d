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

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore")]

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


@pytest.mark.parametrize(("stage", "tuning"), [(2, "full"), (3, "lora")])
def test_two_processes_train_stop_and_go_on(tmp_path, stage, tuning):
    launcher = {"name": "deepspeed", "processes": 2, "device": "cpu", "zero_stage": stage}
    run = training(
        tmp_path,
        write_sums(tmp_path),
        steps=60,
        launcher=launcher,
        tuning={"method": tuning, "rank": 2},
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
    assert read_json(run.attempt(2).path / "deepspeed.json")["zero_optimization"]["stage"] == stage
    checkpoint.load(run.model)
