"""The forward process at a noise level that a person chose, by the objective's own code.

An objective draws its times first and its masks after that. Here the time draw is answered with one number,
found so that the objective's own schedule makes the wanted share of masks of it; everything after it is drawn
as in training. The same seed answers the mask draws alike, so a higher level keeps the masks of a lower one.
"""

import torch
from torch import Tensor

from jobs.diffusion.draws import RowDraws
from jobs.diffusion.objectives.base import Noised, Objective

HALVINGS = 30  # of the interval in which the time lies
LAST = 1 - 2**-24  # the largest float32 below 1: uniform numbers are from [0, 1)


class TimeDraws(RowDraws):
    """Row draws whose first call, that for the times, gives `uniform` for every row."""

    def __init__(self, uniform: float, seed: int, rows: int):
        super().__init__((seed, "preview"), 0, rows)
        self.uniform = uniform

    def rows(self, shape: tuple[int, ...]) -> Tensor:
        drawn = super().rows(shape)
        return torch.full(shape, self.uniform) if self._calls == 1 else drawn


def plain(objective: Objective) -> Objective:
    """The objective without the spreading of a batch's times: all rows are to have the same."""
    if not getattr(objective.options, "antithetic", False):
        return objective
    return type(objective)(objective.options.model_copy(update={"antithetic": False}))


def level_range(objective: Objective) -> tuple[float, float]:
    """(lowest, highest) masking probability that the objective ever draws."""
    return _probability(plain(objective), 0.0), _probability(plain(objective), LAST)


def noise_at(
    objective: Objective, input_ids: Tensor, maskable: Tensor, mask_id: int, level: float, seed: int
) -> Noised:
    """The objective's noise on ids [B, L] with masking probability `level`, or the nearest that it draws."""
    draws = TimeDraws(_uniform_for(plain(objective), level), seed, len(input_ids))
    return plain(objective).noise(input_ids, maskable, mask_id, draws)


def _uniform_for(objective: Objective, level: float) -> float:
    """The uniform number from which the objective makes the level: probability grows with it."""
    low, high = 0.0, LAST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _probability(objective, middle) < level else (low, middle)
    return high


def _probability(objective: Objective, uniform: float) -> float:
    one = torch.zeros(1, 1, dtype=torch.long)
    noised = objective.noise(one, one.bool(), 0, TimeDraws(uniform, 0, 1))
    return float(noised.p_mask[0, 0])
