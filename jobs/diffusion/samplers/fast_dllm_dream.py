"""Fast-dLLM's sampler for Dream (Wu et al. 2025, arXiv 2505.22618; code: NVlabs/Fast-dLLM
dream/model/generation_utils_block.py with a cache, generation_utils.py without)."""

import torch
from torch import Tensor

from jobs.diffusion.samplers.base import Sampling, Start, surest
from jobs.diffusion.samplers.blockwise import Turn, fill, or_surest, steps_of_block
from jobs.diffusion.samplers.dream import shares
from jobs.diffusion.samplers.filters import draw
from jobs.specs.samplers import FastDLLMDreamSampler

LAST_TIME = 1e-3  # where Dream's clock, which starts at 1, stops


def sample(start: Start, options: FastDLLMDreamSampler) -> Sampling:
    """Fill every mask, block by block, after each pass whatever the model is sure enough of.

    Raises: SpecError where the model cannot be read through a window.
    """
    limit = Limit(options.steps) if options.steps is not None else None

    def rule(turn: Turn) -> tuple[Tensor, Tensor]:
        # 1. A token for each position, from the distribution that is left of the model's.
        tokens_BW, chance_BW, shaped_BWV = draw(
            turn.view, options.temperature, options.top_k, options.top_p, start.draws, turn.ids
        )
        # 2. The sure ones, at least one, within the limit.
        if options.threshold is not None:
            sure_BW = chance_BW >= options.threshold
            if limit is None:
                return tokens_BW, or_surest(sure_BW, chance_BW, turn.open)
            return tokens_BW, limit.among(sure_BW, chance_BW, turn)
        # 3. Or as many as Dream's clock says, the lowest entropy first.
        order_BW = -torch.special.entr(shaped_BWV).sum(-1)
        take_B = by_the_clock(turn, options.steps)
        return tokens_BW, surest(order_BW, turn.open, turn.view.at, take_B.tolist(), turn.ids.shape[1])

    return fill(start, options.block_size, rule, options.use_cache)


def by_the_clock(turn: Turn, steps: int | None) -> Tensor:
    """[B] how many of its open positions each row writes: the share that Dream's clock gives to this step of
    the block, and after the last step all. steps None: one position a pass."""
    open_B = turn.open.sum(1)
    if steps is None:
        return open_B.clamp(max=1)
    given = [[*shares(count, LAST_TIME), 1.0] for count in steps_of_block(turn, steps).tolist()]
    share_B = torch.tensor([row[min(turn.number, len(row) - 1)] for row in given], device=open_B.device)
    return (open_B * share_B).long()


class Limit:
    """How many tokens a pass may write: its share of the block, and what earlier passes were not sure of.

    When the block's steps are over, there is only that to write. Counted for each row, from a block's first
    pass on.
    """

    def __init__(self, steps: int):
        self.steps = steps
        self.share_B = self.left_B = torch.zeros(0, dtype=torch.long)

    def among(self, sure_BW: Tensor, chance_BW: Tensor, turn: Turn) -> Tensor:
        """[B, W] bool: of the likeliest that the limit allows, the sure ones and in any case the first."""
        steps_B, open_B = steps_of_block(turn, self.steps), turn.open.sum(1)
        if turn.number == 0:
            self.share_B, self.left_B = open_B // steps_B, torch.zeros_like(open_B)
        take_B = (self.share_B + self.left_B).clamp(min=1).minimum(open_B)
        allowed_BW = surest(chance_BW, turn.open, turn.view.at, take_B.tolist(), turn.ids.shape[1])
        where_BW = or_surest(allowed_BW & sure_BW, chance_BW, turn.open)
        self.left_B = (allowed_BW & ~where_BW).sum(1)
        over_B = (turn.number >= steps_B - 1) & (self.left_B > 0)
        self.share_B = self.share_B.masked_fill(over_B, 0)
        return where_BW
