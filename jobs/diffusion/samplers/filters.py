"""Unlikely tokens taken out before one is drawn.

Shape suffixes: as in base.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from jobs.diffusion.samplers.base import Draws, View, gumbel


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Logits [..., V] with all but the `k` highest impossible; ties with the k-th stay."""
    least = logits.topk(min(k, logits.shape[-1]), dim=-1).values[..., -1:]
    return logits.masked_fill(logits < least, -torch.inf)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Logits [..., V] with all impossible but the likeliest tokens that together have probability `p`, the
    one that crosses it included (Holtzman et al. 2020, arXiv 1904.09751)."""
    ordered, index = logits.sort(dim=-1, descending=True)
    before = ordered.softmax(-1).cumsum(-1).roll(1, -1)
    before[..., 0] = 0
    return logits.masked_fill((before > p).gather(-1, index.argsort(-1)), -torch.inf)


class Drawn(NamedTuple):
    """A token for each column, and how it came about."""

    tokens: Tensor
    """[B, W]"""
    confidence: Tensor
    """[B, W] their probability in the distribution."""
    distribution: Tensor
    """[B, W, V] what they were drawn from."""


def draw(
    view: View, temperature: float, top_k: int | None, top_p: float | None, draws: Draws, ids: Tensor
) -> Drawn:
    """Temperature first, then top-k, then top-p, and a token's probability is the one after all of them, as
    in the published samplers of block models. Temperature 0 takes the likeliest of what is left without one.
    """
    logits_BWV = view.logits if temperature == 0 else view.logits / temperature
    if top_k is not None:
        logits_BWV = keep_top_k(logits_BWV, top_k)
    if top_p is not None:
        logits_BWV = keep_top_p(logits_BWV, top_p)
    shaped_BWV = view.probability if logits_BWV is view.logits else logits_BWV.softmax(-1)
    if temperature == 0:
        tokens_BW = logits_BWV.argmax(-1)
    else:  # the Gumbel-max draw in float64
        tokens_BW = gumbel(view, draws, ids).add_(logits_BWV).argmax(-1)
    return Drawn(tokens_BW, shaped_BWV.gather(-1, tokens_BW[..., None])[..., 0], shaped_BWV)
