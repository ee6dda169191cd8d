"""DiffuGPT's and DiffuLLaMA's objective (Gong et al. 2024, arXiv 2410.17891, section 3; code:
HKUNLP/DiffuLLaMA, LLaMA-Factory/src/llamafactory/train/ddm/trainer.py, inner_forward; attention_patch.py).

There, natural occurrences of the token that serves as the mask count as masked; here only drawn masks do.
"""

from typing import ClassVar

from torch import Tensor

from jobs.diffusion import attention
from jobs.diffusion.draws import Draws
from jobs.diffusion.objectives.base import (
    Batch,
    Noised,
    Objective,
    View,
    draw_once,
    draw_spread,
    mask_by_chance,
    shares,
)
from jobs.specs.objective import DDMObjective, DDMSFTObjective


class DDM(Objective):
    """Each token masked with probability t; cross-entropy at masked tokens over t, divided by how many tokens
    of the batch are masked. Attention opens from causal to full over `anneal_steps` steps."""

    name: ClassVar[str] = "ddm"
    own_pattern = True
    options: DDMObjective | DDMSFTObjective

    def noise(self, input_ids: Tensor, maskable: Tensor, mask_id: int, generator: Draws) -> Noised:
        epsilon = self.options.time_epsilon
        uniform_B1 = draw_spread((len(input_ids),), input_ids, generator, self.options.antithetic)[:, None]
        time_B1 = (1 - epsilon) * uniform_B1 + epsilon
        return mask_by_chance(input_ids, maskable, mask_id, time_B1, time_B1, generator)

    def open_share(self, step: int | None) -> float:
        """Share of the edges to the future that are open in a step; all of them outside training."""
        return 1.0 if step is None else min(1.0, (step + 1) / self.options.anneal_steps)

    def view(self, noised: Noised, batch: Batch, step: int | None = None, generator: Draws = None) -> View:
        share = self.open_share(step)
        if share == 1.0:
            return super().view(noised, batch, step, generator)
        length = noised.masked.shape[1]
        draws_LL = draw_once((length, length), noised.masked, generator)
        pattern = attention.annealed(length, share, draws_LL, batch.attention_mask)
        return View(noised.noised_ids, pattern)

    def weights(self, noised: Noised, batch: Batch) -> Tensor:
        share_N = shares(self.norm(batch), noised, batch)
        return share_N / noised.time[noised.masked]


class DDMSFT(DDM):
    """The same loss on conversations; what differs is the data and that nothing is annealed by default."""

    name: ClassVar[str] = "ddm-sft"
