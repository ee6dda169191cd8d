"""What every sampler yields, and the arithmetic that samplers share.

Shape suffixes: B rows, L positions, W positions of the active window, V vocabulary, R positions revealed in a
step (row-major order of `revealed`), K candidates.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

CANDIDATES = 5


@dataclass(frozen=True)
class Step:
    """The canvas after one step, and what changed."""

    index: int
    """Counts the steps that ran a forward pass, from 0."""
    nfe: int
    """Forward passes over the model so far; guidance counts two a step."""
    block: int
    """Which block was being filled, from 0."""
    ids: Tensor
    """[B, L] the canvas after the step; not written to afterwards."""
    revealed: Tensor
    """[B, L] bool: filled in this step."""
    probability: Tensor
    """[B, L] float: the model's probability of the token written; 0 where nothing was revealed."""
    candidate_ids: Tensor | None = None
    """[R, 5] likeliest tokens at the revealed positions, best first. Only with details."""
    candidate_probability: Tensor | None = None
    """[R, 5] their probabilities."""
    entropy: Tensor | None = None
    """[B] mean entropy in nats of the positions of the block that were masked before the step; NaN for a row
    that had none. Only with details."""


class Draws:
    """Where a sampler's random numbers come from; tests replay recorded ones through the same two calls."""

    def __init__(self, generator: torch.Generator | None):
        self.generator = generator

    def uniform(self, ids: Tensor, window: slice, vocabulary: int | None = None) -> Tensor:
        """Numbers in [0, 1): float64 [B, W, V] for tokens, float32 [B, W] for positions (no vocabulary)."""
        size = (len(ids), window.stop - window.start) + (() if vocabulary is None else (vocabulary,))
        dtype = torch.float32 if vocabulary is None else torch.float64
        source = self.generator.device if self.generator is not None else ids.device
        return torch.rand(size, generator=self.generator, device=source, dtype=dtype).to(ids.device)


def quotas(count: int, steps: int) -> list[int]:
    """How many of `count` masks each of `steps` steps reveals: evenly, the remainder first
    (ML-GSAI/LLaDA generate.py, get_num_transfer_tokens). With more steps than masks the last ones get 0."""
    base, remainder = divmod(count, steps)
    return [base + (step < remainder) for step in range(steps)]


def choose(logits: Tensor, temperature: float, draws: Draws, ids: Tensor, window: slice) -> Tensor:
    """One token [B, W] a position: the likeliest, or at a temperature the Gumbel-max draw.

    argmax of exp(logit) / (-log u)^T in float64 (LLaDA generate.py, add_gumbel_noise; float32 Gumbel noise
    skews the tail, arXiv 2409.02908), taken here in logs, which cannot overflow.
    """
    if temperature == 0:
        return logits.argmax(-1)
    uniform_BWV = draws.uniform(ids, window, logits.shape[-1])
    return (logits.double() - temperature * (-uniform_BWV.log()).log()).argmax(-1)


def details(
    probability_BWV: Tensor, masked_BW: Tensor, revealed_BW: Tensor, mask_id: int
) -> tuple[Tensor, Tensor, Tensor]:
    """(candidate ids [R, 5], their probabilities [R, 5], mean entropy of the masked positions [B])."""
    revealed_RV = probability_BWV[revealed_BW].clone()
    revealed_RV[:, mask_id] = 0  # never written, so no candidate
    top = revealed_RV.topk(min(CANDIDATES, revealed_RV.shape[-1]))
    entropy_M = torch.special.entr(probability_BWV[masked_BW]).sum(-1)
    entropy_BW = torch.zeros_like(masked_BW, dtype=entropy_M.dtype)
    entropy_BW[masked_BW] = entropy_M
    return top.indices, top.values, entropy_BW.sum(1) / masked_BW.sum(1)
