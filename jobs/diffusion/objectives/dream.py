"""Dream's objective: context-adaptive token weights, CART (Ye et al. 2025, arXiv 2508.15487, section 3.3;
code: ZHZisZZ/dllm pipelines/dream/trainer.py, cart_weight, after DreamLM/Dream)."""

from typing import ClassVar

import torch
from torch import Tensor

from jobs.diffusion.objectives.base import Batch, Noised
from jobs.diffusion.objectives.mdlm import MDLM
from jobs.specs.objective import DreamObjective


def cart_weights(
    masked: Tensor, geo_p: float, context: Tensor | None = None, documents: Tensor | None = None
) -> Tensor:
    """[B, L] float: for a masked i, half the sum over readable j of p (1 - p)^(|i - j| - 1); 0 elsewhere.

    masked [B, L] bool; context [B, L] bool marks readable positions, by default all that are not masked;
    documents [B, L]: only positions of the same text count.
    A row with nothing readable has weights 0: it teaches nothing.
    """
    readable = ~masked if context is None else context & ~masked
    at = torch.arange(masked.shape[1], device=masked.device)
    distance_LL = (at[:, None] - at[None, :]).abs()
    influence_LL = 0.5 * geo_p * (1 - geo_p) ** (distance_LL - 1).clamp(min=0).float()
    if documents is None:
        return (readable.float() @ influence_LL) * masked
    same_BLL = documents[:, :, None] == documents[:, None, :]
    return (influence_LL * (same_BLL & readable[:, None, :])).sum(2) * masked


class Dream(MDLM):
    """MDLM's noise and normalisers with CART in the place of the bound's weight. The shift of Dream's models
    is a property of the checkpoint."""

    name: ClassVar[str] = "dream"
    options: DreamObjective  # type: ignore[assignment]

    def token_weights(self, noised: Noised, batch: Batch) -> Tensor:
        if self.options.loss_weight_type != "cart":
            return super().token_weights(noised, batch)
        seen = None if self.options.padding_is_context else batch.attention_mask
        context = None if seen is None else seen.bool()
        return cart_weights(noised.masked, self.options.geo_p, context, batch.documents)[noised.masked]
