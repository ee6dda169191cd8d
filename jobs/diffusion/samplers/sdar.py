"""SDAR's sampler (Cheng et al. 2025, arXiv 2510.06303; code: JetAstra/SDAR generate.py)."""

from itertools import repeat

import torch
from torch import Tensor

from jobs.diffusion.samplers.base import Sampling, Start, quotas
from jobs.diffusion.samplers.blocks import fill, most_confident, over_threshold
from jobs.diffusion.samplers.filters import Drawn
from jobs.specs.samplers.sdar import SDARSampler


def sample(start: Start, options: SDARSampler) -> Sampling:
    """Fill every mask, block by block, in each step what the strategy `remasking` chooses."""

    def rule(drawn: Drawn, open_BW: Tensor, count: int) -> Tensor:
        if options.remasking == "sequential":
            return open_BW & (open_BW.cumsum(1) <= count)
        if options.remasking == "entropy_bounded":
            return within_entropy(drawn, open_BW, options.eb_threshold)
        if options.remasking == "low_confidence_static":
            return most_confident(drawn, open_BW, count)
        return over_threshold(drawn, open_BW, count, options.threshold)

    def due(size: int) -> list[int] | repeat:
        if options.remasking == "entropy_bounded":
            return repeat(1)  # at least, until the block is full
        return quotas(size, options.steps_per_block or size)

    return fill(start, options, due, rule)


def within_entropy(drawn: Drawn, open_BW: Tensor, most: float) -> Tensor:
    """[B, W] bool: each row's open columns of least entropy, as long as the entropies add up to less than
    `most` nats; the first in any case."""
    entropy_BW = torch.special.entr(drawn.distribution).sum(-1).nan_to_num()  # `write` tells of a NaN
    entropy_BW = entropy_BW.masked_fill(~open_BW, torch.inf)
    ordered_BW, index_BW = entropy_BW.sort(1)
    taken_BW = ordered_BW.cumsum(1) < most
    taken_BW[:, 0] = True
    return taken_BW.gather(1, index_BW.argsort(1)) & open_BW
