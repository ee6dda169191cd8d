"""Command lines and environments."""

import os
import shlex
import sys

import pytest

from jobs import launch
from jobs.protocol.errors import SpecError
from jobs.protocol.folder import RunFolder
from jobs.protocol.identity import COOKIE
from jobs.specs.job import KINDS
from jobs.specs.launcher import machines
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


def test_fsdp_is_started_by_torchrun(tmp_path):
    run = RunFolder(tmp_path / "train-0001")
    job = spec(launcher="fsdp", processes=2)
    assert launch.command(job, run) == launch.command(spec(launcher="torchrun", processes=2), run)
    assert not launch.needs_port(job)


@pytest.mark.parametrize("name", ["torchrun", "fsdp", "deepspeed"])
def test_several_machines_meet_at_the_first(tmp_path, name):
    run = RunFolder(tmp_path / "a run")
    job = spec(launcher=name, processes=4, hosts=["node1", "node2 slots=4", "node3"], device="cpu")
    argv = launch.command(job, run, [], None, "python", node=2)
    assert argv == [
        *("python", "-m", "torch.distributed.run", "--nnodes", "3", "--node_rank", "2"),
        *("--master_addr", "node1", "--master_port", "29400", "--nproc_per_node", "4"),
        *("-m", "jobs.programs.train", str(run.path)),
    ]
    assert not launch.needs_port(job)
    text = launch.elsewhere(job, run, 3, sys.executable)
    heads = [line for line in text.splitlines() if line.startswith("# node")]
    assert heads == ["# node2", "# node3"], "the first machine is started by the studio"
    line = text.splitlines()[-1]
    assert shlex.split(line)[:3] == ["cd", str(run.path), "&&"]
    assert shlex.split(line)[-len(argv) + 1 :] == argv[1:]
    assert f"{launch.ATTEMPT}=3" in shlex.split(line)
    assert launch.elsewhere(spec(launcher=name, processes=4), run, 1, sys.executable) == ""


def test_a_rendezvous_elsewhere(tmp_path):
    job = spec(launcher="torchrun", hosts=["a", "b"], rendezvous="10.0.0.9:4711")
    argv = launch.command(job, RunFolder(tmp_path / "train-0001"))
    assert argv[argv.index("--master_addr") + 1 :][:3] == ["10.0.0.9", "--master_port", "4711"]


def test_a_hostfile(tmp_path):
    file = tmp_path / "hosts"
    file.write_text("# our machines\nnode1 slots=2\n\nnode2 slots=2  # the slow one\n")
    job = spec(launcher="deepspeed", processes=2, hostfile=str(file))
    assert machines(job.launcher) == ["node1", "node2"]
    with pytest.raises(SpecError, match="set launcher.processes to 2"):
        machines(spec(launcher="deepspeed", processes=8, hostfile=str(file)).launcher)
    file.write_text("node1 cores=2\n")
    with pytest.raises(SpecError, match="names no machine"):
        machines(job.launcher)
    file.unlink()
    with pytest.raises(SpecError, match="cannot be read"):
        machines(job.launcher)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"hosts": ["a", "b"]}, "set launcher.name"),
        ({"launcher": "torchrun", "hosts": ["a"], "hostfile": "b"}, "not both"),
        ({"launcher": "torchrun", "rendezvous": "a:1"}, "name them in hosts"),
        ({"launcher": "torchrun", "hosts": ["a", "b"], "rendezvous": "here"}, "write host:port"),
        ({"launcher": "fsdp"}, "set processes to 2"),
        ({"launcher": "fsdp", "processes": 2, "offload": True}, "set offload_weights"),
        ({"launcher": "deepspeed", "zero_stage": 0, "offload": True}, "from zero_stage 1"),
        ({"launcher": "deepspeed", "zero_stage": 2, "offload_weights": True}, "zero_stage 3"),
        ({"sequence_parallel": 2}, "several processes"),
        ({"launcher": "torchrun", "processes": 3, "sequence_parallel": 2}, "must divide"),
    ],
)
def test_launchers_that_cannot_be_are_refused_with_a_remedy(options, remedy):
    with pytest.raises(SpecError, match=remedy):
        spec(**options)
