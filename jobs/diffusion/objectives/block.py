"""Block diffusion: what the model sees when blocks are learned one by one but trained all at once."""

from torch import Tensor, arange, cat

from jobs.diffusion import attention
from jobs.diffusion.objectives.base import Batch, Noised, View


def beside_clean(noised_ids: Tensor, clean_ids: Tensor, block_size: int, padding: Tensor | None) -> View:
    """[x_t ; x_0]: the noised text [B, L] with the clean text [B, L] behind it, both at positions 0..L-1.

    Each noised block reads itself and the clean blocks before it (Arriola et al. 2025, arXiv 2503.09573,
    section 3.1). padding [B, L] is 0 at positions that nobody may see.
    """
    length = noised_ids.shape[1]
    positions = arange(length, device=noised_ids.device).repeat(2)[None]
    pattern = attention.block_diffusion(length, block_size, padding)
    return View(cat([noised_ids, clean_ids], 1), pattern, positions)


def block_view(noised: Noised, batch: Batch, block_size: int) -> View:
    """`beside_clean` of a batch in training."""
    return beside_clean(noised.noised_ids, batch.input_ids, block_size, batch.attention_mask)
