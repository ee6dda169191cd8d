"""Losses from recorded noise: what every loss case does after it has read its inputs."""

import torch
from torch import Tensor

from jobs.diffusion.objectives import Batch, LossResult, Noised, build_objective
from jobs.diffusion.objectives.base import loss_of_noised
from jobs.models.checkpoint import Checkpoint
from jobs.specs.base import Spec
from tests.golden.cases import number_differences

IGNORED = -100
GRADIENT_SHARE = 1e-4  # of the largest gradient


def noised_from(ids: Tensor, masked: Tensor, time: Tensor, mask_id: int) -> Noised:
    """The forward process as it was recorded. time: [B], or [B, L]."""
    if time.dim() == 1:
        time = time[:, None]
    time = time.expand_as(ids)
    return Noised(ids.masked_fill(masked, mask_id), masked, time, time)


def replay(
    options: Spec,
    checkpoint: Checkpoint,
    noised: Noised,
    batch: Batch,
    *,
    shifted: bool = False,
    step: int | None = None,
    view: object | None = None,
) -> LossResult:
    """Forward and backward from drawn noise; gradients are left in the model."""
    objective = build_objective(options)
    checkpoint.model.zero_grad()
    seen = view or objective.view(noised, batch, step, torch.Generator().manual_seed(0))
    result = loss_of_noised(objective, checkpoint.model, noised, seen, batch, shifted)
    result.loss.backward()
    assert result.level_count.sum() == noised.masked.sum()
    return result


def gradient_differences(expected: Tensor, got: Tensor | None) -> list[str]:
    """One line if a gradient is further off than GRADIENT_SHARE of its largest number."""
    assert got is not None
    return number_differences(expected, got, GRADIENT_SHARE * expected.abs().max().item(), 0.0)
