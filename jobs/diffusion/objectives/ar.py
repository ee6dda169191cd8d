"""The causal baseline: predict each token of the answer from those before it, on the same data and in as many
steps as a diffusion objective (HKUNLP/DiffuLLaMA compares with LLaMA-Factory's stage sft).

Nothing is masked: "masked" are the positions whose token is predicted, and the model keeps its causal mask.
"""

from typing import ClassVar

import torch
from torch import Tensor

from jobs.diffusion.draws import Draws
from jobs.diffusion.objectives.base import Batch, Noised, Objective, shares
from jobs.specs.objective import ARObjective


class AR(Objective):
    """Mean cross-entropy of the next token. All tokens count as the noisiest level, for there is no noise."""

    name: ClassVar[str] = "ar-sft"
    causal = True
    options: ARObjective

    def crop(self, input_ids: Tensor, generator: Draws) -> int:
        return input_ids.shape[1]

    def noise(self, input_ids: Tensor, maskable: Tensor, mask_id: int, generator: Draws) -> Noised:
        ones_BL = torch.ones(input_ids.shape, device=input_ids.device)
        return Noised(input_ids, maskable, ones_BL, ones_BL)

    def weights(self, noised: Noised, batch: Batch) -> Tensor:
        return shares(self.norm(batch), noised, batch)
