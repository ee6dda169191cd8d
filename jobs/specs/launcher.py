"""How a job's program is started."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from jobs.protocol.errors import SpecError
from jobs.specs.base import Spec

ENDPOINT = re.compile(r"^(?P<host>[^\s:]+|\[[0-9A-Fa-f:]+\]):(?P<port>\d{1,5})$")
PORT = 29400  # where machines meet, if the spec does not say
HOST_LINE = re.compile(r"^(?P<name>[^\s=]+)(\s+slots=(?P<slots>\d+))?$")
MANY = ("torchrun", "fsdp", "deepspeed")


class LauncherSpec(Spec):
    """Launcher, processes and devices of a job."""

    name: Literal["python", "torchrun", "fsdp", "deepspeed"] = "python"
    """python: one process. torchrun: data parallel. fsdp: data parallel with weights, gradients and optimizer
    split over the processes (FSDP2). deepspeed: the same with ZeRO."""
    processes: int = Field(default=1, ge=1, le=64)
    """Processes on each machine, one a device."""
    hosts: list[str] = Field(default_factory=list)
    """Several machines: their names, this one first, with a shared disk for the run folder. `studio run`
    starts its own part and says what to start on the others."""
    hostfile: str | None = None
    """The same as a file, a machine a line, `name` or DeepSpeed's `name slots=8`."""
    rendezvous: str | None = None
    """Several machines: where they meet, host:port. None: the first machine, port 29400."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto takes GPUs when there are any."""
    zero_stage: Literal[0, 1, 2, 3] = 2
    """DeepSpeed only: what is split over the processes (1 optimizer, 2 gradients too, 3 weights too)."""
    offload: bool = False
    """DeepSpeed from stage 1: keep optimizer states in main memory."""
    offload_weights: bool = False
    """Keep weights in main memory while they are not computed with: DeepSpeed's stage 3; FSDP, where
    gradients and optimizer states go along."""
    sequence_parallel: int = Field(default=1, ge=1, le=64)
    """Processes that share each text (Ulysses), for texts too long for one device. Divides the number of
    processes. Full attention without padding only."""
    threads: int = Field(default=0, ge=0, le=256)
    """CPU threads a process may use; 0 shares the cores evenly."""
    check_memory: bool = True
    """Refuse a training that needs more memory than the devices have, by estimate. Off: start it all the
    same."""

    @field_validator("rendezvous")
    @classmethod
    def _an_endpoint(cls, value: str | None) -> str | None:
        found = ENDPOINT.match(value) if value else None
        if value and (found is None or not 0 < int(found["port"]) < 65536):
            raise ValueError(f"{value!r} is no endpoint; write host:port, such as node1:29400")
        return value or None

    @property
    def splits_weights(self) -> bool:
        """Whether a forward pass is work that all processes must do together."""
        return self.name == "fsdp" or (self.name == "deepspeed" and self.zero_stage == 3)

    @model_validator(mode="after")
    def _fits(self) -> "LauncherSpec":
        if self.name == "python" and self.processes > 1:
            raise ValueError("python starts one process; set launcher.name to torchrun for more")
        several = bool(self.hosts or self.hostfile)
        if self.name == "fsdp" and self.processes == 1 and not several:
            raise ValueError(
                "fsdp splits a model over processes; set processes to 2 or more, or name to python"
            )
        if self.hosts and self.hostfile:
            raise ValueError("give either hosts or hostfile, not both")
        if several and self.name not in MANY:
            raise ValueError(f"python runs on one machine; set launcher.name to one of {', '.join(MANY)}")
        if self.rendezvous and not several:
            raise ValueError("rendezvous is for several machines; name them in hosts, or leave it out")
        return self

    @model_validator(mode="after")
    def _offloads(self) -> "LauncherSpec":
        if self.offload and not (self.name == "deepspeed" and self.zero_stage > 0):
            raise ValueError(
                "offload is DeepSpeed's, from zero_stage 1; with fsdp set offload_weights, else turn it off"
            )
        if self.offload_weights and not self.splits_weights:
            raise ValueError(
                "offload_weights needs split weights: fsdp, or deepspeed with zero_stage 3; turn it off"
            )
        return self

    @model_validator(mode="after")
    def _shares(self) -> "LauncherSpec":
        if self.sequence_parallel > 1 and self.name not in MANY:
            raise ValueError(f"sequence_parallel needs several processes: one of {', '.join(MANY)}")
        if not (self.hosts or self.hostfile) and self.processes % self.sequence_parallel:
            raise ValueError(
                f"sequence_parallel ({self.sequence_parallel}) must divide processes ({self.processes})"
            )
        return self


def machines(launcher: LauncherSpec) -> list[str]:
    """The names of the machines that a job runs on, this one first; empty: this one alone.

    Raises: SpecError for a hostfile that cannot be read, or slots that are not `processes`.
    """
    lines, where = launcher.hosts, "launcher.hosts"
    if launcher.hostfile is not None:
        where = launcher.hostfile
        try:
            text = Path(where).read_text(encoding="utf-8")
        except OSError as error:
            raise SpecError(f"launcher.hostfile: {where} cannot be read: {error.strerror}.") from None
        lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    names = []
    for line in filter(None, lines):
        found = HOST_LINE.match(line)
        if found is None:
            raise SpecError(f"{where}: {line!r} names no machine; write `name` or `name slots=8`.")
        if found["slots"] and int(found["slots"]) != launcher.processes:
            raise SpecError(
                f"{where}: {found['name']} has {found['slots']} slots, but launcher.processes is "
                f"{launcher.processes}. All machines run as many; set launcher.processes to {found['slots']}."
            )
        names.append(found["name"])
    return names


def endpoint(launcher: LauncherSpec) -> tuple[str, int]:
    """(host, port) at which the machines of a job meet."""
    found = ENDPOINT.match(launcher.rendezvous or "")
    return (found["host"], int(found["port"])) if found else (machines(launcher)[0], PORT)
