"""From a spec to the command line and environment of its program. Never a shell: argv is a list.

    python      python -m PROGRAM RUN_FOLDER
    torchrun    python -m torch.distributed.run --standalone --nproc_per_node N -m PROGRAM RUN_FOLDER
    fsdp        the same
    deepspeed   python -m deepspeed.launcher.runner --num_gpus N --master_port P --module PROGRAM RUN_FOLDER

On several machines all three are started by torch.distributed.run, once on each:

    python -m torch.distributed.run --nnodes M --node_rank I --master_addr A --master_port P
        --nproc_per_node N -m PROGRAM RUN_FOLDER

Rank 0, which writes, is on the first machine. The run folder is on a disk that all of them see.

Device ids are "cuda:<index>" in PCI bus order and "cpu:<slot>".
"""

import os
import shlex
import socket
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from jobs.protocol.folder import RunFolder
from jobs.protocol.identity import COOKIE
from jobs.specs.job import KINDS, JobSpec
from jobs.specs.launcher import endpoint, machines

ATTEMPT = "DLLM_STUDIO_ATTEMPT"
PROGRAMS = {kind: f"jobs.programs.{kind}" for kind in KINDS}  # kind -> module, started by name

# What a surrounding torchrun, Slurm step or our own server must not hand down to a job.
FORBIDDEN = (
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "GROUP_RANK",
    "MASTER_ADDR",
    "MASTER_PORT",
    "TORCHELASTIC_RUN_ID",
    "DS_ACCELERATOR",
    "STUDIO_TOKEN",
    COOKIE,
)


def command(
    spec: JobSpec,
    run: RunFolder,
    devices: Sequence[str] = (),
    port: int | None = None,
    python: str = sys.executable,
    programs: Mapping[str, str] = PROGRAMS,
    node: int = 0,
) -> list[str]:
    """The argv that carries out `spec` in `run`, on machine number `node` of the spec's.

    Without a `port`, torchrun finds its own. Raises: SpecError for a hostfile that cannot be read.
    """
    launcher, program = spec.launcher, programs[spec.kind]
    there = machines(launcher)
    torchrun = [python, "-m", "torch.distributed.run"]
    count = ["--nproc_per_node", str(launcher.processes)]
    if len(there) > 1:
        host, at = endpoint(launcher)
        nodes = ["--nnodes", str(len(there)), "--node_rank", str(node)]
        meet = ["--master_addr", host, "--master_port", str(at)]
        return [*torchrun, *nodes, *meet, *count, "-m", program, str(run.path)]
    if launcher.name in ("torchrun", "fsdp"):
        meet = ["--standalone"] if port is None else ["--master_port", str(port)]
        return [*torchrun, *meet, *count, "-m", program, str(run.path)]
    if launcher.name == "deepspeed":
        gpus = cuda_indices(devices)
        # With GPUs the launcher sets CUDA_VISIBLE_DEVICES itself from --include and ignores ours.
        where = (
            ["--include", "localhost:" + ",".join(gpus)] if gpus else ["--num_gpus", str(launcher.processes)]
        )
        meet = ["--master_addr", "127.0.0.1", "--master_port", str(port or 29500)]
        runner = [python, "-m", "deepspeed.launcher.runner", *where, *meet]
        return [*runner, "--module", program, str(run.path)]
    return [python, "-m", program, str(run.path)]


def elsewhere(
    spec: JobSpec, run: RunFolder, attempt: int, python: str, programs: Mapping[str, str] = PROGRAMS
) -> str:
    """What a person starts on the other machines, as lines for a shell; empty where there are none."""
    there = machines(spec.launcher)
    if len(there) < 2:
        return ""
    ours = environment(spec, [], attempt, None, {}, python)
    if spec.launcher.device != "cpu":
        del ours["CUDA_VISIBLE_DEVICES"]  # which of its GPUs are free is not known here
    path = ours.pop("PATH").partition(os.pathsep)[0]
    settings = " ".join(shlex.quote(f"{name}={value}") for name, value in ours.items())
    lines = [
        f"# This job waits for {len(there) - 1} more of its {len(there)} machines. Start on each:",
        "# (they need this folder, this environment and the data at the same paths)",
    ]
    for node, name in enumerate(there[1:], 1):
        argv = shlex.join(command(spec, run, [], None, python, programs, node))
        where = f'cd {shlex.quote(str(run.path))} && env PATH={shlex.quote(path)}:"$PATH"'
        lines += [f"# {name}", f"{where} {settings} {argv}"]
    return "\n".join(lines) + "\n"


def environment(
    spec: JobSpec,
    devices: Sequence[str],
    attempt: int,
    cookie: str | None,
    base_env: Mapping[str, str],
    python: str = sys.executable,
) -> dict[str, str]:
    """The program's environment; without a cookie if None (the supervisor adds it to its child only)."""
    env = {name: value for name, value in base_env.items() if name not in FORBIDDEN}
    gpus = cuda_indices(devices)
    env |= {
        ATTEMPT: str(attempt),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # the order NVML counts in
        "CUDA_VISIBLE_DEVICES": ",".join(gpus),
        "OMP_NUM_THREADS": str(threads(spec)),
        "PATH": os.pathsep.join([str(Path(python).parent), base_env.get("PATH", os.defpath)]),  # ninja
        "PYTHONSAFEPATH": "1",  # the run folder is the working directory and holds no code
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if source := source_root():
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [source, base_env.get("PYTHONPATH", "")]))
    if cookie is not None:
        env[COOKIE] = cookie
    if spec.launcher.name == "deepspeed" and not gpus:
        env["DS_ACCELERATOR"] = "cpu"
    return env


def threads(spec: JobSpec) -> int:
    """CPU threads of each process: as asked, or an even share of the cores we may use."""
    cores = len(os.sched_getaffinity(0))
    return spec.launcher.threads or max(1, cores // spec.launcher.processes)


def needs_port(spec: JobSpec) -> bool:
    """Whether a master port must be chosen when the job starts."""
    return spec.launcher.name == "deepspeed" and not (spec.launcher.hosts or spec.launcher.hostfile)


def free_port() -> int:
    """A port that is free on loopback now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cuda_indices(devices: Sequence[str]) -> list[str]:
    """The GPU numbers among device ids."""
    return [device.removeprefix("cuda:") for device in devices if device.startswith("cuda:")]


def source_root() -> str | None:
    """The source tree, when we run from one: programs must find the same code whatever their folder."""
    root = Path(__file__).resolve().parents[1]
    installed = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    return None if root in installed else str(root)
