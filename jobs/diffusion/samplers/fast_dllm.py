"""Fast-dLLM's sampler (Wu et al. 2025, arXiv 2505.22618, alg. 1 and section 3.3; code: NVlabs/Fast-dLLM
llada/generate.py, and ZHZisZZ/dllm pipelines/fastdllm/llada/sampler.py for batches)."""

import torch
from torch import Tensor

from jobs.diffusion.samplers.base import Sampling, Start, choose, surest
from jobs.diffusion.samplers.blockwise import Turn, fill, or_surest, steps_of_block
from jobs.specs.samplers import FastDLLMSampler


def sample(start: Start, options: FastDLLMSampler) -> Sampling:
    """Fill every mask, block by block, after each pass whatever the model is sure enough of.

    Raises: SpecError where the model cannot be read through a window.
    """

    def rule(turn: Turn) -> tuple[Tensor, Tensor]:
        # 1. A token for each position, and how sure the model is of it.
        tokens_BW = choose(turn.view, options.temperature, start.draws, turn.ids)
        if options.remasking == "random":
            confidence_BW = start.draws.uniform(turn.ids, turn.view.at)
        else:
            confidence_BW = turn.view.chance(tokens_BW)
        # 2. The sure ones, at least one.
        if options.threshold is not None:
            return tokens_BW, or_surest(confidence_BW >= options.threshold, confidence_BW, turn.open)
        if options.factor is not None:
            take_B = within_factor(confidence_BW, turn.open, options.factor)
        elif options.steps is not None:
            take_B = share(turn, options.steps)
        else:
            take_B = turn.open.any(1).long()
        return tokens_BW, surest(confidence_BW, turn.open, turn.view.at, take_B.tolist(), turn.ids.shape[1])

    return fill(start, options.block_size, rule, options.use_cache)


def share(turn: Turn, steps: int) -> Tensor:
    """[B] how many tokens this pass writes when a block's tokens are spread evenly over its steps, the
    remainder first. What an earlier pass left undone the later ones make up for."""
    ahead_B = (steps_of_block(turn, steps) - turn.number).clamp(min=1)
    return -(-turn.open.sum(1) // ahead_B)


def within_factor(confidence_BW: Tensor, open_BW: Tensor, factor: float) -> Tensor:
    """[B] how many of each row's most confident tokens are written: the r-th if its confidence is at least
    1 - factor / (r + 1), and the first in any case (section 3.3)."""
    confidence_BW = confidence_BW.masked_fill(~open_BW, -torch.inf).sort(descending=True).values
    rank_W = torch.arange(1, confidence_BW.shape[1] + 1, device=confidence_BW.device)
    accepted_B = (confidence_BW >= 1 - factor / (rank_W + 1)).sum(1)
    return accepted_B.clamp(min=1).minimum(open_BW.sum(1))
