"""What a job asks of Slurm. Each field is an option of sbatch, so that site documents can be followed."""

import re
import shlex
from typing import Literal

from pydantic import Field, field_validator

from jobs.specs.base import Spec

WORD = re.compile(r"^[A-Za-z0-9_.,:=+@/\[\]-]*$")
TIME = re.compile(r"^(\d+|\d+:\d\d(:\d\d)?|\d+-\d+(:\d\d){0,2})?$")
HOST = re.compile(r"^([A-Za-z0-9_][\w.@:-]*)?$")
# What the studio sets itself: it finds its jobs again by these.
OURS = (
    "--job-name",
    "-J",
    "--output",
    "-o",
    "--error",
    "-e",
    "--open-mode",
    "--signal",
    "--wrap",
    "--array",
    "-a",
)


class SlurmSpec(Spec):
    """Where in a Slurm cluster a job runs. The run folders, the data and the Python environment lie on a disk
    that all nodes see."""

    nodes: int = Field(default=1, ge=1, le=1024)
    """Machines. On each of them launcher.processes start, by torchrun."""
    partition: str = ""
    """Partition; empty: the cluster's default."""
    account: str = ""
    """Account that is charged; empty: yours."""
    qos: str = ""
    """Quality of service; empty: the cluster's default."""
    gres: str = ""
    """GPUs of each node as the cluster names them, such as gpu:a100:4. Empty: one for each of
    launcher.processes, none where launcher.device is cpu."""
    cpus: int | None = Field(default=None, ge=1, le=4096)
    """CPU cores on each node. None: as the cluster gives."""
    memory: str = ""
    """Main memory on each node, such as 64G. Empty: as the cluster gives."""
    time_limit: str = ""
    """Minutes, or HH:MM:SS, or DAYS-HH:MM:SS. Empty: the partition's."""
    save_seconds: int = Field(default=120, ge=10, le=3600)
    """So long before the time limit the job is asked to save a checkpoint and leave."""
    at_time_limit: Literal["stop", "requeue"] = "stop"
    """What follows: stop, or requeue, which puts the job back into Slurm's queue to go on from there."""
    requeue: bool = True
    """Let Slurm start it again when a node fails or it is preempted; it goes on from its last checkpoint."""
    lines: list[str] = Field(default_factory=list, max_length=50)
    """Further options of sbatch, one each: --constraint=a100."""
    setup: list[str] = Field(default_factory=list, max_length=200)
    """Shell lines that run on the first node before the job, such as module load cuda. The only text of yours
    that goes into the batch script as it is."""
    host: str = ""
    """Login node on which sbatch is called by ssh, without a password. Empty: this machine has Slurm's
    commands."""
    python: str = ""
    """Python of the environment there. Empty: the one that runs the studio."""

    @field_validator("partition", "account", "qos", "gres", "memory")
    @classmethod
    def _a_word(cls, value: str) -> str:
        if not WORD.match(value):
            raise ValueError("use letters, digits and . , : = + - _ only")
        return value

    @field_validator("time_limit")
    @classmethod
    def _a_time(cls, value: str) -> str:
        if not TIME.match(value):
            raise ValueError("write minutes, HH:MM:SS or DAYS-HH:MM:SS")
        return value

    @field_validator("host")
    @classmethod
    def _a_host(cls, value: str) -> str:
        if not HOST.match(value):
            raise ValueError("write a host as ssh knows it, such as login.example.org or me@login")
        return value

    @field_validator("lines")
    @classmethod
    def _options(cls, value: list[str]) -> list[str]:
        for line in value:
            if not line.startswith("-") or not line.isprintable():
                raise ValueError(f"{line!r} is no option of sbatch; write one a line, such as --exclusive")
            for word in shlex.split(line):  # sbatch takes several of a line too
                name = word.split("=", 1)[0] if word.startswith("--") else word[:2]
                if name in OURS:
                    raise ValueError(f"{name} is set by the studio; leave it out")
        return value

    @field_validator("setup")
    @classmethod
    def _shell_lines(cls, value: list[str]) -> list[str]:
        for line in value:
            if "\n" in line or "\0" in line:
                raise ValueError("write one shell line an entry")
            if line.lstrip().startswith("#SBATCH"):
                raise ValueError("options of sbatch belong into slurm.lines")
        return value

    @field_validator("python")
    @classmethod
    def _an_interpreter(cls, value: str) -> str:
        if value and not value.isprintable():
            raise ValueError("write the path of a Python interpreter")
        return value
