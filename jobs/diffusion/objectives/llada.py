"""LLaDA's objective (Nie et al. 2025, arXiv 2502.09992, eq. 3 and 5; code: ML-GSAI/LLaDA GUIDELINES.md)."""

from typing import ClassVar

import torch
from torch import Tensor

from jobs.diffusion.objectives.base import LossResult, Noised, draw, result, token_losses
from jobs.specs.objective import LLaDAObjective


class LLaDA:
    """Each token masked with probability p = (1 - eps) t + eps; cross-entropy at masked tokens over p.

    Plain text: the sum is divided by all tokens of the batch. Conversations: each row's sum is divided by its
    answer's length (the end-of-text tokens that pad the batch are part of the answer), then by the rows.
    """

    name: ClassVar[str] = "llada"

    def __init__(self, options: LLaDAObjective):
        self.options = options

    def crop(self, input_ids: Tensor, generator: torch.Generator | None) -> int:
        """A share of `random_length_ratio` of the batches is cut to a length drawn from 1..L."""
        length = input_ids.shape[1]
        ratio = self.options.random_length_ratio
        if ratio == 0 or draw((1,), input_ids, generator).item() >= ratio:
            return length
        return 1 + int(draw((1,), input_ids, generator).item() * length)

    def noise(
        self, input_ids: Tensor, maskable: Tensor, mask_id: int, generator: torch.Generator | None
    ) -> Noised:
        rows, length = input_ids.shape
        # 1. t ~ U(0, 1) a row; p = (1 - eps) t + eps.
        time_B = draw((rows,), input_ids, generator)
        p_BL = ((1 - self.options.time_epsilon) * time_B + self.options.time_epsilon)[:, None].expand(
            rows, length
        )
        # 2. Each position on its own; prompts are put back.
        masked_BL = (draw((rows, length), input_ids, generator) < p_BL) & maskable
        return Noised(input_ids.masked_fill(masked_BL, mask_id), masked_BL, p_BL, p_BL[:, 0])

    def loss(
        self,
        logits_masked: Tensor,
        targets: Tensor,
        noised: Noised,
        maskable: Tensor,
        prompt_lengths: Tensor | None = None,
    ) -> LossResult:
        losses_N = token_losses(logits_masked, targets)
        weighted_N = losses_N / noised.p_mask[noised.masked]
        if prompt_lengths is None:
            loss = weighted_N.sum() / maskable.sum().clamp(min=1)
        else:
            answer_B = maskable.sum(1).clamp(min=1)
            answer_N = answer_B[:, None].expand_as(maskable)[noised.masked]
            loss = (weighted_N / answer_N).sum() / len(maskable)
        return result(loss, losses_N, noised)
