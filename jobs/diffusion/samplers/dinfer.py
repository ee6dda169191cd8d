"""dInfer's samplers (Ma et al. 2025, arXiv 2510.08666; code: inclusionAI/dInfer
python/dinfer/decoding/parallel_strategy.py)."""

import torch
from torch import Tensor

from jobs.diffusion.samplers.base import Sampling, Start, View, choose
from jobs.diffusion.samplers.blockwise import Rule, Turn, fill, or_surest
from jobs.specs.samplers import DInferSampler

MARGIN = 1e-5  # how close to the surest token of a row another one goes with it


def sample(start: Start, options: DInferSampler) -> Sampling:
    """Fill every mask, block by block, after each pass what the chosen rule lets through.

    Raises: SpecError where the model cannot be read through a window.
    """
    rules: dict[str, Rule] = {
        "threshold": lambda turn: by_threshold(turn, turn.view, start, options),
        "hierarchy": lambda turn: by_gaps(turn, start, options),
        "credit": Credit(start, options),
    }
    return fill(start, options.block_size, rules[options.parallel_decoding], options.use_cache)


def by_threshold(turn: Turn, view: View, start: Start, options: DInferSampler) -> tuple[Tensor, Tensor]:
    """Tokens at the threshold; where none is, those as sure as the surest (get_transfer_index_threshold)."""
    tokens_BW = choose(view, options.temperature, start.draws, turn.ids)
    confidence_BW = view.chance(tokens_BW)
    best_B1 = confidence_BW.masked_fill(~turn.open, -torch.inf).amax(1, keepdim=True)
    where_BW = confidence_BW >= (best_B1 - MARGIN).clamp(max=options.threshold)
    return tokens_BW, or_surest(where_BW, confidence_BW, turn.open)


def by_gaps(turn: Turn, start: Start, options: DInferSampler) -> tuple[Tensor, Tensor]:
    """Tokens above the threshold, of every gap the surest if it is above the low one, and the surest of the
    row (HierarchyDecoder)."""
    tokens_BW = choose(turn.view, options.temperature, start.draws, turn.ids)
    confidence_BW = turn.view.chance(tokens_BW)
    # 1. Number the gaps: runs of masks that stand side by side on the canvas.
    gap_BW = gaps(turn.open, turn.view.at, turn.ids.shape[1])
    # 2. The surest of each.
    count = int(gap_BW.max()) + 1
    best_BG = confidence_BW.new_full((len(gap_BW), count), -torch.inf)
    open_confidence_BW = confidence_BW.masked_fill(~turn.open, -torch.inf)
    best_BG = best_BG.scatter_reduce(1, gap_BW, open_confidence_BW, "amax")
    leads_BW = open_confidence_BW == best_BG.gather(1, gap_BW)
    # 3. What goes through.
    where_BW = leads_BW & (confidence_BW > options.low_threshold) | (confidence_BW > options.threshold)
    return tokens_BW, or_surest(where_BW, confidence_BW, turn.open)


def gaps(open_BW: Tensor, at: Tensor, length: int) -> Tensor:
    """[B, W] which run of open positions a column belongs to, counted from 1 in each row."""
    open_BL = torch.zeros(len(open_BW), length, dtype=torch.bool, device=open_BW.device)
    open_BL[:, at] = open_BW
    begins_BL = open_BL & ~open_BL.roll(1, 1)
    begins_BL[:, 0] = open_BL[:, 0]
    return begins_BL.cumsum(1)[:, at]


class Credit:
    """The threshold rule on a distribution in which tokens that were ahead before weigh more: logit + alpha
    log(1 + credit). In each pass over a block the credit decays by beta, then the likeliest token of every
    open position gains its probability to the power gamma (CreditThresholdParallelDecoder)."""

    def __init__(self, start: Start, options: DInferSampler):
        self.start, self.options = start, options
        self.at = torch.zeros(0, dtype=torch.long)
        self.credit_BWV = torch.zeros(0)

    def __call__(self, turn: Turn) -> tuple[Tensor, Tensor]:
        options, view = self.options, turn.view
        # 1. The credit from the passes before, of the columns that are looked at now.
        credit_BWV = torch.zeros_like(view.logits)
        if turn.number:
            credit_BWV[:, torch.isin(view.at, self.at)] = self.credit_BWV[:, torch.isin(self.at, view.at)]
        credit_BWV *= options.decay_beta
        # 2. What this pass adds.
        best = view.probability.max(-1)
        gain_BW = best.values.pow(options.boost_gamma) * turn.open
        credit_BWV.scatter_add_(2, best.indices[..., None], gain_BW[..., None])
        self.at, self.credit_BWV = view.at, credit_BWV
        # 3. What the model says, with it.
        fused_BWV = view.probability.log() + options.credit_alpha * credit_BWV.log1p()
        return by_threshold(turn, View.of(self.start, fused_BWV, view.at), self.start, options)
