"""SEDD's objective, score entropy under absorbing log-linear noise (Lou et al. 2024, arXiv 2310.16834, eq. 5
and section 3.3; code: louaaron/Score-Entropy-Discrete-Diffusion graph_lib.py, noise_lib.py, losses.py).

At a masked position the model's log scores are log s_y = z_y + log r - log K, with its outputs z, K words and
r = 1 / (e^sigma - 1). With the log-partition u = logsumexp(z) - log K, the paper's loss there,

    sum over y of s_y - r log s_truth + r (log r - 1)  =  r (cross-entropy of z + e^u - 1 - u),

is a masked model's cross-entropy plus what keeps the scores normalised. Times the rate of noise d sigma / dt,
r becomes 1 / t: this is MDLM's bound plus a term that is 0 where the scores are normalised.
"""

from typing import ClassVar

import torch
from torch import Tensor

from jobs.diffusion import attention
from jobs.diffusion.draws import Draws
from jobs.diffusion.objectives.base import Batch, Noised, View, mask_by_chance
from jobs.diffusion.objectives.mdlm import MDLM
from jobs.specs.objective import SEDDObjective

NOISE_END = 1e-3  # the share of tokens that is still readable at time 1


class SEDD(MDLM):
    """Each token masked with probability 1 - e^-sigma = (1 - 0.001) t, weights 1 / t. Models that take the
    noise level are told it."""

    name: ClassVar[str] = "sedd"
    score_entropy = True
    options: SEDDObjective  # type: ignore[assignment]

    def noise(self, input_ids: Tensor, maskable: Tensor, mask_id: int, generator: Draws) -> Noised:
        time_B1 = self.times(input_ids, generator)[:, None]
        return mask_by_chance(input_ids, maskable, mask_id, (1 - NOISE_END) * time_B1, time_B1, generator)

    def view(self, noised: Noised, batch: Batch, step: int | None = None, generator: Draws = None) -> View:
        pattern = attention.full(noised.masked.shape[1], batch.attention_mask)
        return View(noised.noised_ids, pattern, sigma=-torch.log1p(-noised.p_mask[:, 0]))

    def token_weights(self, noised: Noised, batch: Batch) -> Tensor:
        return 1 / noised.time[noised.masked]
