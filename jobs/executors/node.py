"""One machine's part of a job: `python -m jobs.executors.node RUN ATTEMPT PROGRAM`.

Started on every machine of the job, by srun or by SkyPilot's run script. It learns from the batch system's
variables which of the machines it is on, and becomes the program's launcher.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from jobs import launch
from jobs.protocol.folder import RunFolder
from jobs.protocol.identity import COOKIE
from jobs.specs.job import JobSpec
from jobs.specs.launcher import PORT
from jobs.specs.load import parse_spec

PORTS = 10_000  # jobs that share a first machine meet at different ports, by their number


@dataclass(frozen=True)
class Place:
    """Where in a job this machine stands. `head` is the first machine's address, `port` where they meet."""

    nodes: int = 1
    rank: int = 0
    head: str = "127.0.0.1"
    port: int = PORT


def place(environ: Mapping[str, str]) -> Place:
    """From the variables of Slurm or SkyPilot; this machine alone where there are none."""
    if "SKYPILOT_NODE_RANK" in environ:  # first: it may run on a Slurm cluster itself
        addresses = environ["SKYPILOT_NODE_IPS"].split()
        return Place(len(addresses), int(environ["SKYPILOT_NODE_RANK"]), addresses[0])
    if "SLURM_JOB_ID" in environ:
        return Place(
            nodes=int(environ.get("SLURM_NNODES", 1)),
            rank=int(environ.get("SLURM_NODEID", 0)),
            # Where srun was called, which is on the first node. Its name need not resolve, its address does.
            head=environ.get("SLURM_LAUNCH_NODE_IPADDR", "127.0.0.1"),
            port=PORT + int(environ["SLURM_JOB_ID"]) % PORTS,
        )
    return Place()


def command(
    spec: JobSpec, run: RunFolder, program: str, at: Place, python: str = sys.executable
) -> list[str]:
    """The argv of the launcher on this machine.

    Several processes are started by torchrun, DeepSpeed's too: the program reads from the spec what it is.
    DeepSpeed's own launcher would use ssh, and count GPUs anew.
    """
    head = f"[{at.head}]" if ":" in at.head else at.head
    changes: dict[str, object] = {"name": "python" if spec.launcher.name == "python" else "torchrun"}
    if at.nodes > 1:
        changes |= {"hosts": [head] * at.nodes, "rendezvous": f"{head}:{at.port}"}
    placed = spec.model_copy(update={"launcher": spec.launcher.model_copy(update=changes)})
    return launch.command(placed, run, python=python, programs={spec.kind: program}, node=at.rank)


def environment(spec: JobSpec, attempt: int, environ: Mapping[str, str], python: str) -> dict[str, str]:
    """The program's environment, with the GPUs that the batch system gave."""
    given = environ.get("CUDA_VISIBLE_DEVICES")
    on_cpu = spec.launcher.device == "cpu"
    devices = [] if on_cpu else [f"cuda:{name}" for name in (given or "").split(",") if name]
    env = launch.environment(spec, devices, attempt, environ.get(COOKIE), environ, python)
    if given is None and not on_cpu:  # a cluster that gives whole nodes sets nothing: all GPUs are ours
        del env["CUDA_VISIBLE_DEVICES"]
        env.pop("DS_ACCELERATOR", None)
    return env


def main(argv: list[str]) -> None:
    """Become the launcher; does not return."""
    run, attempt, program = RunFolder(argv[0]), int(argv[1]), argv[2]
    spec = parse_spec(run.spec(), where=str(run.spec_json))
    words = command(spec, run, program, place(os.environ))
    env = environment(spec, attempt, os.environ, sys.executable)
    os.chdir(run.path)
    os.execvpe(words[0], words, env)


if __name__ == "__main__":
    main(sys.argv[1:])
