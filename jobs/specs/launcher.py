"""How a job's program is started."""

from typing import Literal

from pydantic import Field, model_validator

from jobs.specs.base import Spec


class LauncherSpec(Spec):
    """Launcher, processes and devices of a job."""

    name: Literal["python", "torchrun", "deepspeed"] = "python"
    """python: one process. torchrun: data parallel. deepspeed: data parallel with ZeRO."""
    processes: int = Field(default=1, ge=1, le=64)
    """Processes, one a device."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto takes GPUs when there are any."""
    zero_stage: Literal[0, 1, 2, 3] = 2
    """DeepSpeed only: what is split over the processes (1 optimizer, 2 gradients too, 3 weights too)."""
    offload: bool = False
    """DeepSpeed only: keep optimizer states in main memory."""
    threads: int = Field(default=0, ge=0, le=256)
    """CPU threads a process may use; 0 shares the cores evenly."""

    @model_validator(mode="after")
    def _fits(self) -> "LauncherSpec":
        if self.name == "python" and self.processes > 1:
            raise ValueError("python starts one process; set launcher.name to torchrun for more")
        return self
