"""Weights that one process reads and sends to all others, so that a machine holds them once while they are
loaded and a shared disk is read once (TrainSpec.sends_weights).

Data parallel: whole models, to each process's own device. FSDP: a layer at a time, which is split at once.
ZeRO stage 3 sends what it splits by itself (deepspeed.zero.Init), a parameter at a time.
"""

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.tensor import DTensor

from jobs.protocol.errors import ModelError


def agree(model: nn.Module, device: torch.device) -> None:
    """Give every weight the number format that it has on rank 0, and every buffer what it holds there. Call
    it on all ranks before `send`. `device` is what the ranks send by.

    Raises: ModelError on a rank that has other weights than rank 0.
    """
    here = {name: (tuple(weight.shape), weight.dtype) for name, weight in model.named_parameters()}
    told = [here]
    dist.broadcast_object_list(told, src=0, device=device)
    there = told[0]
    if {name: shape for name, (shape, _) in here.items()} != {n: shape for n, (shape, _) in there.items()}:
        raise ModelError(
            "This process built another model than rank 0; are the packages of all machines equal?"
        )
    for name, weight in model.named_parameters():
        weight.data = weight.data.to(there[name][1])
    for _, buffer in model.named_buffers():
        sent = buffer.data.to(device).contiguous()
        dist.broadcast(sent, src=0)
        buffer.data = sent.to(buffer.device)


def send(module: nn.Module, device: torch.device) -> None:
    """Move a module's weights to `device` and send them from rank 0; those that are split already stay."""
    for weight in module.parameters():
        if not isinstance(weight, DTensor):
            weight.data = weight.data.to(device).contiguous()
            dist.broadcast(weight.data, src=0)
