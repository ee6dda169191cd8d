"""MDLM's objective (Sahoo et al. 2024, arXiv 2406.07524, eq. 10; code: kuleshov-group/mdlm diffusion.py and,
for the options' names and normalisers, ZHZisZZ/dllm core/trainers/mdlm.py)."""

from typing import ClassVar

import torch
from torch import Tensor

from jobs.diffusion.draws import Draws
from jobs.diffusion.objectives.base import Batch, Noised, Objective, draw_spread, mask_by_chance, shares
from jobs.diffusion.schedules import SCHEDULES
from jobs.specs.objective import MDLMObjective


class MDLM(Objective):
    """Each token masked with probability 1 - alpha(t); cross-entropy at masked tokens weighted by
    -alpha'(t) / (1 - alpha(t)) or by 1, summed, and divided by what `loss_norm_type` says.

    MDLM's SUBS rules are implied: readable tokens are carried over because they have no loss, and the mask
    token is no candidate because it is never a target (its logit is learned to be low, not set to -inf).
    """

    name: ClassVar[str] = "mdlm"
    options: MDLMObjective

    def times(self, like: Tensor, generator: Draws) -> Tensor:
        """t [B] in [eps, 1)."""
        epsilon = self.options.time_epsilon
        return epsilon + (1 - epsilon) * draw_spread((len(like),), like, generator, self.options.antithetic)

    def noise(self, input_ids: Tensor, maskable: Tensor, mask_id: int, generator: Draws) -> Noised:
        # 1. A time a row, and from it the chance of a mask.
        time_B1 = self.times(input_ids, generator)[:, None]
        p_B1 = 1 - SCHEDULES[self.options.schedule].alpha(time_B1)
        # 2. Each position on its own; what is not maskable stays.
        return mask_by_chance(input_ids, maskable, mask_id, p_B1, time_B1, generator)

    def weights(self, noised: Noised, batch: Batch) -> Tensor:
        share_N = shares(self.norm(batch), noised, batch)
        return share_N * self.token_weights(noised, batch)

    def token_weights(self, noised: Noised, batch: Batch) -> Tensor:
        """[N]: the weights before the sum is divided."""
        time_N = noised.time[noised.masked]
        if self.options.loss_weight_type == "uniform":
            return torch.ones_like(time_N)
        return SCHEDULES[self.options.schedule].weight(time_N)
