"""Canvases as the references lay them out, and the history of a sampling."""

import torch
from torch import Tensor

from jobs.diffusion.denoiser import Denoiser
from jobs.diffusion.samplers import Draws, Start
from jobs.diffusion.unmask import unmask
from jobs.models.checkpoint import Checkpoint
from jobs.specs.samplers import SamplerOptions

FILLER = -1  # stands behind the shorter rows of ragged inputs


def rows_of(ragged: Tensor) -> list[list[int]]:
    """The rows of `ragged` [B, P] without what fills them up."""
    return [[token for token in row if token != FILLER] for row in ragged.tolist()]


def padded(rows: list[list[int]], pad_id: int, left: bool = False) -> tuple[Tensor, Tensor]:
    """(ids, attention mask) [B, L] of rows padded to the longest, on the right or on the left."""
    longest = max(map(len, rows))
    ids = torch.full((len(rows), longest), pad_id)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        where = slice(longest - len(row), longest) if left else slice(0, len(row))
        ids[number, where] = torch.tensor(row)
        mask[number, where] = 1
    return ids, mask


def read_as(checkpoint: Checkpoint, shifted: bool) -> Denoiser:
    """The checkpoint, with outputs that predict the next token or their own, whatever it says itself."""
    return Denoiser(checkpoint.model, checkpoint.config.model_copy(update={"shifted_logits": shifted}))


def history(
    denoiser: Denoiser,
    ids: Tensor,
    mask: Tensor | None,
    options: SamplerOptions,
    draws: Draws | None = None,
    **start: object,
) -> tuple[Tensor, int]:
    """([S, B, L] the first canvas and that after each step; the forward passes)."""
    begun = Start(ids, denoiser.config, mask, draws or Draws(), **start)  # type: ignore[arg-type]
    steps = list(unmask(denoiser, begun, options))
    return torch.stack([ids, *(step.ids for step in steps)]), steps[-1].nfe
