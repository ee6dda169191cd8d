"""Weights, gradients and optimizer states split over all processes: torch's FSDP2 (`fully_shard`).

We call torch ourselves, on a GPU and on a CPU alike: accelerate leaves a model on a CPU whole and says
nothing (accelerate 1.15, Accelerator.prepare_model), and one way for both is tested where there is no GPU.
"""

import functools
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import CPUOffloadPolicy, FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from transformers.trainer import SCHEDULER_NAME

from jobs.programs.training.compiling import layers
from jobs.programs.training.sending import send
from jobs.programs.training.trainer import DiffusionTrainer
from jobs.protocol.errors import ModelError

SHARDS = "shards"  # folder of a checkpoint: a file of each process, and what is where
TRAINED = StateDictOptions(ignore_frozen_params=True, strict=False)


def shard(model: nn.Module, device: torch.device, offload: bool, sent: bool = False) -> None:
    """Split a model over all processes, layer by layer, in place.

    Layers are gathered for their own computation only. With `offload` the parts wait in main memory. Weights
    that are `sent` come from rank 0 a layer at a time, so that no other process ever has them all.
    Raises: ModelError for a model without layers.
    """
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    given: dict[str, Any] = {"mesh": mesh}
    if offload:
        given["offload_policy"] = CPUOffloadPolicy(pin_memory=device.type == "cuda")
    parts = list(layers(model))
    if not parts:
        raise ModelError(f"{type(model).__name__} has no layers that FSDP could split; use torchrun.")
    for part in [*parts, model]:
        if sent:
            send(part, device)
        fully_shard(part, **given)
    whole = [name for name, weight in model.named_parameters() if not isinstance(weight, DTensor)]
    assert not whole, f"not split: {whole}"


def make_whole(model: nn.Module, keep: bool) -> None:
    """Put a split model together again, in main memory, where `keep`; every process must call it.

    The model cannot be trained any more.
    """
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()  # what the last pass left gathered would be split again when it is saved
    found: dict[int, nn.Parameter] = {}  # weights that are tied stay tied
    for module in model.modules():
        for name, weight in list(module._parameters.items()):
            if isinstance(weight, DTensor):
                if id(weight) not in found:
                    full = weight.detach().full_tensor()
                    found[id(weight)] = nn.Parameter(full.cpu() if keep else full.new_empty(0), False)
                module._parameters[name] = found[id(weight)]
    for module in model.modules():
        if isinstance(module, FSDPModule):  # a class that torch made of this and the module's own
            module.__class__ = type(module).__bases__[1]


class ShardedTrainer(DiffusionTrainer):
    """The same training of a model that `shard` has split.

    Checkpoints are written and read by all processes together, each its part; another number of processes can
    read them. Frozen weights are not in them.
    """

    def create_accelerator_and_postprocess(self) -> None:
        super().create_accelerator_and_postprocess()
        # accelerate would wrap the split model in DDP; "evaluation" leaves it as it is, under autocast.
        prepare = self.accelerator.prepare_model
        self.accelerator.prepare_model = functools.partial(prepare, evaluation_mode=True)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """The weights are saved with the optimizer's states."""

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        dcp.save(self._state(), checkpoint_id=Path(output_dir) / SHARDS)
        if self.args.should_save:
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER_NAME)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        state = {"model": get_model_state_dict(self.model, options=TRAINED)}
        dcp.load(state, checkpoint_id=Path(resume_from_checkpoint) / SHARDS)
        set_model_state_dict(self.model, state["model"], options=TRAINED)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        optimizer = self.optimizer.optimizer
        state = {"optimizer": get_optimizer_state_dict(self.model, optimizer, options=TRAINED)}
        dcp.load(state, checkpoint_id=Path(checkpoint) / SHARDS)
        set_optimizer_state_dict(self.model, optimizer, state["optimizer"], options=TRAINED)
        schedule = torch.load(Path(checkpoint) / SCHEDULER_NAME, weights_only=True)
        self.lr_scheduler.load_state_dict(schedule)

    def _state(self) -> dict[str, Any]:
        return {
            "model": get_model_state_dict(self.model, options=TRAINED),
            "optimizer": get_optimizer_state_dict(self.model, self.optimizer.optimizer, options=TRAINED),
        }
