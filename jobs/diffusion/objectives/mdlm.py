"""MDLM's objective (Sahoo et al. 2024, arXiv 2406.07524, eq. 10; code: kuleshov-group/mdlm diffusion.py and,
for the options' names and normalisers, ZHZisZZ/dllm core/trainers/mdlm.py)."""

from typing import ClassVar

import torch
from torch import Tensor

from jobs.diffusion.objectives.base import LossResult, Noised, draw, result, token_losses
from jobs.diffusion.schedules import SCHEDULES
from jobs.specs.objective import MDLMObjective


class MDLM:
    """Each token masked with probability 1 - alpha(t); cross-entropy at masked tokens weighted by
    -alpha'(t) / (1 - alpha(t)) or by 1, summed, and divided by what `loss_norm_type` says."""

    name: ClassVar[str] = "mdlm"

    def __init__(self, options: MDLMObjective):
        self.options = options
        self.schedule = SCHEDULES[options.schedule]

    def crop(self, input_ids: Tensor, generator: torch.Generator | None) -> int:
        return input_ids.shape[1]

    def times(self, like: Tensor, generator: torch.Generator | None) -> Tensor:
        """t [B] in [eps, 1). Antithetic: row i of n draws from its own n-th of the unit interval, wrapped
        (mdlm diffusion.py, _sample_t), which evens out the noise levels of a batch."""
        rows = len(like)
        uniform_B = draw((rows,), like, generator)
        if self.options.antithetic:
            uniform_B = (uniform_B / rows + torch.arange(rows, device=like.device) / rows) % 1
        return self.options.time_epsilon + (1 - self.options.time_epsilon) * uniform_B

    def noise(
        self, input_ids: Tensor, maskable: Tensor, mask_id: int, generator: torch.Generator | None
    ) -> Noised:
        # 1. A time a row, and from it the chance of a mask.
        time_B = self.times(input_ids, generator)
        p_BL = (1 - self.schedule.alpha(time_B))[:, None].expand_as(input_ids)
        # 2. Each position on its own; what is not maskable stays.
        masked_BL = (draw(tuple(input_ids.shape), input_ids, generator) < p_BL) & maskable
        return Noised(input_ids.masked_fill(masked_BL, mask_id), masked_BL, p_BL, time_B)

    def loss(
        self,
        logits_masked: Tensor,
        targets: Tensor,
        noised: Noised,
        maskable: Tensor,
        prompt_lengths: Tensor | None = None,
    ) -> LossResult:
        losses_N = token_losses(logits_masked, targets)
        # 1. The weight of each row's time.
        weighted_N = losses_N
        if self.options.loss_weight_type == "scheduler":
            weight_BL = self.schedule.weight(noised.time)[:, None].expand_as(noised.masked)
            weighted_N = losses_N * weight_BL[noised.masked]
        # 2. The normaliser.
        rows = len(maskable)
        if self.options.loss_norm_type == "token":
            loss = weighted_N.sum() / maskable.sum().clamp(min=1)
        elif self.options.loss_norm_type == "sequence":
            per_row_B = maskable.sum(1).clamp(min=1)
            loss = (weighted_N / per_row_B[:, None].expand_as(maskable)[noised.masked]).sum() / rows
        else:
            loss = weighted_N.sum() / rows
        return result(loss, losses_N, noised)
