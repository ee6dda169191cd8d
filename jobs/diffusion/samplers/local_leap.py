"""LocalLeap's sampler (Kong et al. 2025, arXiv 2510.07081; code: friedrichor/LocalLeap
llada/generate.py)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from jobs.diffusion.samplers.base import Sampling, Start, choose
from jobs.diffusion.samplers.blockwise import Turn, fill, or_surest
from jobs.specs.samplers import LocalLeapSampler


def sample(start: Start, options: LocalLeapSampler) -> Sampling:
    """Fill every mask, block by block, after each pass what the model is sure of and what is near to that.

    Raises: SpecError where the model cannot be read through a window.
    """

    def rule(turn: Turn) -> tuple[Tensor, Tensor]:
        # 1. A token for each position, and how sure the model is of it.
        tokens_BW = choose(turn.view, options.temperature, start.draws, turn.ids)
        confidence_BW = turn.view.chance(tokens_BW)
        # 2. Anchors, and the less sure ones around them.
        anchor_BW = turn.open & (confidence_BW >= options.threshold)
        near_BW = near(anchor_BW, turn.view.at, options.radius, turn.ids.shape[1])
        where_BW = anchor_BW | near_BW & (confidence_BW >= options.relaxed_threshold)
        return tokens_BW, or_surest(where_BW, confidence_BW, turn.open)

    return fill(start, options.block_size, rule, options.use_cache)


def near(anchor_BW: Tensor, at: Tensor, radius: int, length: int) -> Tensor:
    """[B, W] bool: the columns `at` [W] of canvases of `length` that are at most `radius` from an anchor."""
    anchor_BL = torch.zeros(len(anchor_BW), length, device=anchor_BW.device)
    anchor_BL[:, at] = anchor_BW.float()
    reach_BL = F.max_pool1d(anchor_BL[:, None], 2 * radius + 1, stride=1, padding=radius)[:, 0]
    return reach_BL[:, at] > 0
