"""LLaDA's objective (Nie et al. 2025, arXiv 2502.09992, eq. 3 and 5; code: ML-GSAI/LLaDA GUIDELINES.md)."""

from typing import ClassVar

from torch import Tensor

from jobs.diffusion.draws import Draws
from jobs.diffusion.objectives.base import Batch, Noised, Objective, draw_spread, mask_by_chance, shares
from jobs.specs.objective import LLaDAObjective


class LLaDA(Objective):
    """Each token masked with probability p = (1 - eps) t + eps; cross-entropy at masked tokens over p.

    Plain text: the sum is divided by all tokens of the batch. Conversations: each row's sum is divided by its
    answer's length (the end-of-text tokens that pad the batch are part of the answer), then by the rows.
    """

    name: ClassVar[str] = "llada"
    options: LLaDAObjective

    def norm(self, batch: Batch) -> str:
        return "token" if batch.prompt_lengths is None else "sequence"

    def noise(self, input_ids: Tensor, maskable: Tensor, mask_id: int, generator: Draws) -> Noised:
        # 1. t ~ U(0, 1) a row; p = (1 - eps) t + eps.
        epsilon = self.options.time_epsilon
        time_B1 = draw_spread((len(input_ids),), input_ids, generator, self.options.antithetic)[:, None]
        p_B1 = (1 - epsilon) * time_B1 + epsilon
        # 2. Each position on its own; prompts are put back.
        return mask_by_chance(input_ids, maskable, mask_id, p_B1, p_B1, generator)

    def weights(self, noised: Noised, batch: Batch) -> Tensor:
        return shares(self.norm(batch), noised, batch) / noised.p_mask[noised.masked]
