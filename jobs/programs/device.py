"""Which device a program computes on, and in which number format models are held there."""

import contextlib
import ctypes
import gc
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
LARGE_PASS = 1e9  # tokens of a pass times parameters


def parameters(model: torch.nn.Module) -> int:
    """How many numbers a model has."""
    return sum(parameter.numel() for parameter in model.parameters())


def use_threads_for(size: int, tokens: int = 0) -> None:
    """CPU threads for passes of so many tokens through a model of `size` parameters: all that the job has,
    but one for a small model's short pass.

    A small model's step is so short that, on cores which other jobs use too, threads wait for each other for
    longer than they compute (seen: 440 ms a step beside other jobs on two cores, where 4 are needed).
    """
    granted = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    torch.set_num_threads(1 if size < SMALL and size * tokens < LARGE_PASS else granted)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of <malloc.h>
KEEP, LARGEST_KEPT = 2**29, 2**25  # bytes; glibc takes no larger threshold than the second


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next tensor, rather than hand it to the kernel and get it
    back page by page: a third of the time of a small model's batch on a CPU. Elsewhere than in glibc nothing
    changes."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        libc.mallopt(M_TRIM_THRESHOLD, KEEP)


def give_memory_back(where: torch.device) -> None:
    """What freed tensors leave behind goes to the kernel or the GPU's other users."""
    gc.collect()
    if where.type == "cuda":
        torch.cuda.empty_cache()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
