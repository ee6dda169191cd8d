"""Which device a program computes on, and in which number format models are held there."""

import os

import torch

from jobs.models.checkpoint import Dtype
from jobs.protocol.errors import ResourceError
from jobs.specs.launcher import LauncherSpec


def pick(launcher: LauncherSpec) -> torch.device:
    """The device of a one-process program; a launcher's ranks get theirs from the Trainer.

    Raises: ResourceError where the spec asks for a GPU and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if launcher.device == "cuda" and not has_gpu:
        raise ResourceError(
            "launcher.device is cuda, but PyTorch sees no GPU here. Set it to auto or cpu, or start the job "
            "where there is a GPU."
        )
    return torch.device("cuda" if has_gpu and launcher.device != "cpu" else "cpu")


def inference_dtype(device: torch.device, wanted: Dtype = "auto") -> Dtype:
    """auto: float32 on a CPU, where half precision is slow on many; the checkpoint's own on a GPU."""
    return "float32" if wanted == "auto" and device.type == "cpu" else wanted


SMALL = 20_000_000  # parameters


def use_threads_for(model: torch.nn.Module) -> None:
    """CPU threads for sampling from a model: all that the job has, but one for a small model.

    A small model's step is so short that, on cores which other jobs use too, threads wait for each other for
    longer than they compute (seen: 440 ms a step beside other jobs on two cores, where 4 are needed).
    """
    granted = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    size = sum(parameter.numel() for parameter in model.parameters())
    torch.set_num_threads(1 if size < SMALL else granted)
