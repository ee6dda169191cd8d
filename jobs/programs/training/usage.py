"""Model FLOPs use: which share of the GPUs' peak a training really works with (Chowdhery et al. 2022, PaLM,
arXiv 2204.02311, section 4.1). Only what the model needs counts: nothing computed again, and the vocabulary
matrix at masked positions alone."""

from dataclasses import dataclass
from typing import Any

import torch

from jobs.diffusion.masked_head import unwrapped
from jobs.diffusion.objectives import Objective
from jobs.specs import flops
from jobs.specs.gpus import peak_of
from jobs.specs.job import TrainSpec
from jobs.specs.sizes import Sizes, sizes_of


@dataclass(frozen=True)
class Usage:
    """What turns a training's counts into a share of the peak."""

    sizes: Sizes
    passes: int
    copies: int
    """2 where the clean text stands beside the noised one."""
    peak: float
    """Operations a second of all devices."""

    def __call__(self, sums: dict[str, Any], seconds: float) -> float | None:
        """The share in 0..1 from Meter.total and the seconds in which that was done."""
        if seconds <= 0:
            return None
        each = flops.forward(self.sizes, round(sums["length"] * self.copies))
        done = sums["cells"] * self.copies * (each.layers + each.attention)
        done += sum(sums["count"]) * each.vocabulary
        return self.passes * done / seconds / self.peak


def make_usage(
    spec: TrainSpec, model: torch.nn.Module, objective: Objective, device: torch.device, world: int
) -> Usage | None:
    """None where no honest figure can be given: on a CPU, in float32, on a GPU or with a model that we do not
    know, and where processes share texts or pictures are seen."""
    if device.type != "cuda" or spec.optimisation.precision != "bf16" or spec.launcher.sequence_parallel > 1:
        return None
    peak = peak_of(torch.cuda.get_device_name(device))
    config = getattr(unwrapped(model), "config", None)
    sizes = sizes_of(config.to_dict()) if hasattr(config, "to_dict") else None
    if peak is None or sizes is None or sizes.vision:
        return None
    copies = 1 if objective.block_size is None else 2
    return Usage(sizes, flops.passes(spec.tuning), copies, peak * world)
