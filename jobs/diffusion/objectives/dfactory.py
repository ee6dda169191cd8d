"""LLaDA2's fine-tuning objective (code: inclusionAI/dFactory tasks/train_llada2_bd.py and, for the noise,
tasks/dataset/data_transform.py).

Without block diffusion the published script feeds the clean text by mistake; here the model sees the noised
one, as was meant.
"""

from typing import ClassVar

from torch import Tensor

from jobs.diffusion.draws import Draws
from jobs.diffusion.objectives.base import (
    Batch,
    Noised,
    Objective,
    View,
    draw_spread,
    mask_by_chance,
    shares,
)
from jobs.diffusion.objectives.block import block_view
from jobs.specs.objective import DFactoryObjective


class DFactory(Objective):
    """One noise level a sequence out of `noise_range`, the plain mean of the cross-entropy over all masked
    tokens, and block diffusion beside the clean text."""

    name: ClassVar[str] = "dfactory"
    options: DFactoryObjective

    def __init__(self, options: DFactoryObjective):
        super().__init__(options)
        self.own_pattern = options.block_diffusion
        self.block_size = options.block_size if options.block_diffusion else None

    def norm(self, batch: Batch) -> str:
        return "masked"

    def noise(self, input_ids: Tensor, maskable: Tensor, mask_id: int, generator: Draws) -> Noised:
        low, high = self.options.noise_range_low, self.options.noise_range_high
        uniform_B1 = draw_spread((len(input_ids),), input_ids, generator, self.options.antithetic)[:, None]
        level_B1 = uniform_B1 * (high - low) + low
        return mask_by_chance(input_ids, maskable, mask_id, level_B1, level_B1, generator)

    def view(self, noised: Noised, batch: Batch, step: int | None = None, generator: Draws = None) -> View:
        if self.block_size is None:
            return super().view(noised, batch, step, generator)
        return block_view(noised, batch, self.block_size)

    def weights(self, noised: Noised, batch: Batch) -> Tensor:
        return shares(self.norm(batch), noised, batch)
