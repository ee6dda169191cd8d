"""What the processes of one training must agree on, and noise that each can draw again."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from jobs.diffusion.draws import seed_of
from jobs.programs.process import Process, Stopped


@dataclass(frozen=True)
class Layout:
    """What this process computes: the rows of number `rank` of `world`, and of each text part `part` of
    `parts`, together with the processes of `group`."""

    rank: int = 0
    world: int = 1
    part: int = 0
    parts: int = 1
    group: Any = None

    def slice(self, length: int) -> slice | None:
        """This process's positions of a text; None: all of them."""
        each = length // self.parts
        return None if self.parts == 1 else slice(self.part * each, (self.part + 1) * each)


ALONE = Layout()


def is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def total(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all ranks; every rank must call it, with equal shapes."""
    if is_distributed():
        dist.all_reduce(tensor, op=dist.ReduceOp.SUM)
    return tensor


def any_rank(flag: bool, device: torch.device) -> bool:
    """Whether any rank says yes; every rank must call it."""
    if not is_distributed():
        return flag
    shared = torch.tensor(int(flag), device=device)
    dist.all_reduce(shared, op=dist.ReduceOp.MAX)
    return bool(shared.item())


def leave() -> None:
    """Take leave of the other ranks when all is done; a process group left open may abort the exit."""
    if dist.is_available() and dist.is_initialized():
        if dist.get_world_size() > 1:
            dist.barrier()
        dist.destroy_process_group()


class StopVote:
    """One answer for all ranks to "were we asked to stop?". Every rank must ask at the same places."""

    def __init__(self, process: Process, device: torch.device):
        self.process = process
        self.device = device

    def __call__(self) -> bool:
        return any_rank(self.process.stop_requested(), self.device)

    def check(self) -> None:
        """Raises: Stopped, on all ranks or on none."""
        if self():
            raise Stopped


def generator(device: torch.device, *key: int | str) -> torch.Generator:
    """A random generator that a key fixes, such as ("validation", first row)."""
    return torch.Generator(device).manual_seed(seed_of(*key))
