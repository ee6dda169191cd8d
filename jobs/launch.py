"""From a spec to the command line and environment of its program. Never a shell: argv is a list.

    python      python -m PROGRAM RUN_FOLDER
    torchrun    python -m torch.distributed.run --standalone --nproc_per_node N -m PROGRAM RUN_FOLDER
    deepspeed   python -m deepspeed.launcher.runner --num_gpus N --master_port P --module PROGRAM RUN_FOLDER

Device ids are "cuda:<index>" in PCI bus order and "cpu:<slot>".
"""

import os
import socket
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from jobs.protocol.folder import RunFolder
from jobs.protocol.identity import COOKIE
from jobs.specs.job import KINDS, JobSpec

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
) -> list[str]:
    """The argv that carries out `spec` in `run`. Without a `port`, torchrun finds its own."""
    launcher, program = spec.launcher, programs[spec.kind]
    if launcher.name == "torchrun":
        meet = ["--standalone"] if port is None else ["--master_port", str(port)]
        count = ["--nproc_per_node", str(launcher.processes)]
        return [python, "-m", "torch.distributed.run", *meet, *count, "-m", program, str(run.path)]
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
    return spec.launcher.name == "deepspeed"


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
