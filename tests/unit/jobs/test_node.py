"""A machine's part of a job, a requeued start, and which executor a job goes to."""

import pytest

from jobs.executors import Liveness, RoutedExecutor
from jobs.executors.node import Place, command, environment, place
from jobs.executors.restart import restart
from jobs.protocol.folder import RunFolder, read_json, write_json
from jobs.protocol.identity import COOKIE
from jobs.specs.load import parse_spec
from tests.fakes.studio import train_spec

SLURM = {
    "SLURM_JOB_ID": "12",
    "SLURM_NNODES": "2",
    "SLURM_NODEID": "1",
    "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.7",
}
SKYPILOT = {"SKYPILOT_NODE_RANK": "1", "SKYPILOT_NODE_IPS": "10.0.0.8\n10.0.0.9\n"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, Place()),
        (SLURM, Place(2, 1, "10.0.0.7", 29412)),
        ({"SLURM_JOB_ID": "7"}, Place(1, 0, "127.0.0.1", 29407)),
        (SKYPILOT, Place(2, 1, "10.0.0.8", 29400)),
        (SLURM | SKYPILOT, Place(2, 1, "10.0.0.8", 29400)),
    ],
)
def test_where_a_machine_stands(environ, expected):
    assert place(environ) == expected


@pytest.mark.parametrize("launcher", ["torchrun", "fsdp", "deepspeed"])
def test_every_launcher_of_several_machines_is_torchrun(tmp_path, launcher):
    spec = parse_spec(train_spec(launcher=launcher, processes=2))
    run = RunFolder(tmp_path / "train-0001")
    argv = command(spec, run, "my.program", Place(2, 1, "10.0.0.7", 29412), "python")
    assert argv == [
        *("python", "-m", "torch.distributed.run", "--nnodes", "2", "--node_rank", "1"),
        *("--master_addr", "10.0.0.7", "--master_port", "29412", "--nproc_per_node", "2"),
        *("-m", "my.program", str(run.path)),
    ]
    alone = command(spec, run, "my.program", Place(), "python")
    assert alone[3] == "--standalone"


def test_one_process_on_one_machine(tmp_path):
    spec, run = parse_spec(train_spec()), RunFolder(tmp_path / "train-0001")
    assert command(spec, run, "my.program", Place(), "python") == [
        "python",
        "-m",
        "my.program",
        str(run.path),
    ]


@pytest.mark.parametrize(
    ("launcher", "device", "given", "visible", "on_cpu"),
    [
        ("torchrun", "auto", "2,3", "2,3", False),
        ("torchrun", "auto", "GPU-5c8b", "GPU-5c8b", False),
        ("deepspeed", "auto", None, None, False),
        ("deepspeed", "cpu", "2,3", "", True),
    ],
)
def test_the_gpus_that_the_batch_system_gave(launcher, device, given, visible, on_cpu):
    spec = parse_spec(train_spec(launcher=launcher, device=device))
    given = {} if given is None else {"CUDA_VISIBLE_DEVICES": given}
    env = environment(spec, 3, {COOKIE: "c", "RANK": "9", **given}, "/env/bin/python")
    assert env.get("CUDA_VISIBLE_DEVICES") == visible
    assert (env.get("DS_ACCELERATOR") == "cpu") is on_cpu
    assert env[COOKIE] == "c" and "RANK" not in env


@pytest.mark.parametrize(("asked", "stays"), [("", False), ('{"grace": 30}', True)])
def test_a_requeued_start_finds_its_attempt_as_new(studio_home, asked, stays):
    run = RunFolder.create(studio_home / "runs", "train", train_spec())
    attempt = run.new_attempt()
    attempt.stop.write_text(asked)
    attempt.lock.touch()
    for path in (attempt.exit_json, run.result_json):
        write_json(path, {"code": 0})
    facts = {"cookie": "c", "command": ["x"], "anchor": {"pid": 1}, "child": {"pid": 2}, "started_at": 1.0}
    write_json(attempt.run_json, facts)
    restart(run, attempt, 1)
    assert read_json(attempt.run_json) == {"cookie": "c", "command": ["x"]}
    assert read_json(attempt.path / "exit.1.json") == {"code": 0}
    assert not any(path.exists() for path in (attempt.exit_json, attempt.lock, run.result_json))
    assert attempt.stop_requested() is stays, "what the studio asked for is not forgotten"


class Named:
    """An executor that says its name."""

    def __init__(self, name):
        self.name, self.programs = name, {}

    def poll(self, run, attempt):
        return Liveness(waiting=self.name)


def test_a_job_goes_where_its_spec_says(studio_home):
    routed = RoutedExecutor(Named("local"), Named("slurm"))
    here = RunFolder.create(studio_home / "runs", "train", train_spec())
    there = RunFolder.create(studio_home / "runs", "train", train_spec() | {"slurm": {}})
    for _ in range(2):
        assert [routed.poll(run, 1).waiting for run in (here, there)] == ["local", "slurm"]
    write_json(here.spec_json, train_spec() | {"slurm": {}})
    assert routed.poll(here, 1).waiting == "slurm", "another run under the same number"
