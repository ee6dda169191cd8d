"""BD3-LM's objective (Arriola et al. 2025, arXiv 2503.09573, eq. 8 and section 5; code: kuleshov-group/bd3lms
diffusion.py, and for one time a sequence ZHZisZZ/dllm core/trainers/bd3lm.py)."""

from typing import ClassVar

import torch
from torch import Tensor

from jobs.diffusion.draws import Draws
from jobs.diffusion.objectives.base import Batch, Noised, View, draw_spread, mask_by_chance
from jobs.diffusion.objectives.block import block_view
from jobs.diffusion.objectives.mdlm import MDLM
from jobs.diffusion.schedules import SCHEDULES
from jobs.specs.objective import BD3LMObjective

REDRAWS = 16  # of a block whose share of masks falls out of the range; small blocks may have no share inside


class BD3LM(MDLM):
    """MDLM's loss on each block, given the clean blocks before it; a time for each block, from a range that
    may be clipped to lower the variance of the gradient."""

    name: ClassVar[str] = "bd3lm"
    own_pattern = True
    options: BD3LMObjective  # type: ignore[assignment]

    def __init__(self, options: BD3LMObjective):
        super().__init__(options)
        self.block_size = options.block_size

    def times(self, like: Tensor, generator: Draws) -> Tensor:
        """t [B, L], the same within a block, in [noise_range_low, noise_range_high)."""
        low, high = self.options.noise_range_low, self.options.noise_range_high
        rows, length = like.shape
        per_row = -(-length // self.options.block_size) if self.options.noise_per == "block" else 1
        uniform = draw_spread((rows, per_row), like, generator, self.options.antithetic)
        each = self.options.block_size if self.options.noise_per == "block" else length
        return (low + (high - low) * uniform).repeat_interleave(each, 1)[:, :length]

    def noise(self, input_ids: Tensor, maskable: Tensor, mask_id: int, generator: Draws) -> Noised:
        time_BL = self.times(input_ids, generator)
        p_BL = 1 - SCHEDULES[self.options.schedule].alpha(time_BL)
        noised = mask_by_chance(input_ids, maskable, mask_id, p_BL, time_BL, generator)
        for _ in range(REDRAWS if self.options.resample else 0):
            outside_BL = self._outside(noised.masked, maskable)
            if not bool(outside_BL.any()):
                break
            again = mask_by_chance(input_ids, maskable, mask_id, p_BL, time_BL, generator)
            masked_BL = torch.where(outside_BL, again.masked, noised.masked)
            noised = Noised(input_ids.masked_fill(masked_BL, mask_id), masked_BL, p_BL, time_BL)
        return noised

    def _outside(self, masked: Tensor, maskable: Tensor) -> Tensor:
        """[B, L] bool: in a block whose share of masks is outside the range. An unclipped end does not count
        (bd3lms diffusion.py, _resample_q_xt)."""
        default = BD3LMObjective()
        low, high = self.options.noise_range_low, self.options.noise_range_high
        found, of = self._block_sums(masked), self._block_sums(maskable)
        below = (found < low * of) & (low > default.noise_range_low)
        above = (found > high * of) & (high < default.noise_range_high)
        return (below | above) & (of > 0)

    def _block_sums(self, flags: Tensor) -> Tensor:
        """[B, L] float: how many flags [B, L] are set in each position's block."""
        size, length = self.options.block_size, flags.shape[1]
        whole = torch.nn.functional.pad(flags.float(), (0, -length % size))
        return whole.unflatten(1, (-1, size)).sum(-1).repeat_interleave(size, 1)[:, :length]

    def view(self, noised: Noised, batch: Batch, step: int | None = None, generator: Draws = None) -> View:
        return block_view(noised, batch, self.options.block_size)

    def token_weights(self, noised: Noised, batch: Batch) -> Tensor:
        """Clipped to high noise, the bound's weight hardly varies; bd3lms then drops it."""
        if self.options.noise_range_low > 0.5:
            return torch.ones_like(noised.time[noised.masked])
        return super().token_weights(noised, batch)
