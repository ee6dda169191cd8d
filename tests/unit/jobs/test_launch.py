"""Command lines and environments."""

import os
import sys

import pytest

from jobs import launch
from jobs.protocol.folder import RunFolder
from jobs.protocol.identity import COOKIE
from jobs.specs.job import KINDS
from jobs.specs.load import parse_spec
from tests.fakes.studio import train_spec


def spec(**options):
    return parse_spec(train_spec(**options))


def test_python(studio_home):
    run = RunFolder(studio_home / "runs" / "train-0001")
    argv = launch.command(spec(), run)
    assert argv == [sys.executable, "-m", "jobs.programs.train", str(run.path)], "one word, blanks and all"


def test_torchrun(tmp_path):
    run = RunFolder(tmp_path / "train-0001")
    argv = launch.command(spec(launcher="torchrun", processes=2), run, ["cpu:0", "cpu:1"])
    assert argv[1:] == [
        *("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
        *("-m", "jobs.programs.train", str(run.path)),
    ]
    argv = launch.command(spec(launcher="torchrun", processes=2), run, [], port=4711)
    assert argv[3:5] == ["--master_port", "4711"]


@pytest.mark.parametrize(
    ("devices", "where"),
    [
        (["cpu:0", "cpu:1"], ["--num_gpus", "2"]),
        (["cuda:0", "cuda:3"], ["--include", "localhost:0,3"]),
    ],
)
def test_deepspeed(tmp_path, devices, where):
    run = RunFolder(tmp_path / "train-0001")
    job = spec(launcher="deepspeed", processes=2)
    argv = launch.command(job, run, devices, port=4711, programs={"train": "my.program"})
    assert argv[2:5] == ["deepspeed.launcher.runner", *where]
    assert argv[-3:] == ["--module", "my.program", str(run.path)]
    assert argv[argv.index("--master_port") + 1] == "4711"
    assert launch.needs_port(job) and not launch.needs_port(spec())
    env = launch.environment(job, devices, 1, "c", {})
    assert env.get("DS_ACCELERATOR") == ("cpu" if devices[0].startswith("cpu") else None)


def test_environment():
    base = {"PATH": "/bin", "RANK": "3", "MASTER_PORT": "1", "STUDIO_TOKEN": "secret", "HF_HUB_OFFLINE": "1"}
    env = launch.environment(spec(threads=3), ["cuda:2"], 4, "cake", base)
    assert not {"RANK", "MASTER_PORT", "STUDIO_TOKEN"} & set(env)
    assert env["HF_HUB_OFFLINE"] == "1"
    assert (env[COOKIE], env[launch.ATTEMPT], env["CUDA_VISIBLE_DEVICES"]) == ("cake", "4", "2")
    assert env["OMP_NUM_THREADS"] == "3"
    assert env["PATH"].split(os.pathsep) == [os.path.dirname(sys.executable), "/bin"], "ninja lies there"
    assert base["RANK"] == "3", "the caller's own is left alone"
    on_cpu = launch.environment(spec(), ["cpu:0"], 1, None, base)
    assert on_cpu["CUDA_VISIBLE_DEVICES"] == "" and COOKIE not in on_cpu


def test_threads_share_the_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert launch.threads(spec()) == 8
    assert launch.threads(spec(launcher="torchrun", processes=3)) == 2
    assert launch.threads(spec(launcher="torchrun", processes=16)) == 1


def test_every_kind_has_a_program():
    assert set(launch.PROGRAMS) == set(KINDS)
    assert launch.free_port() > 1024
