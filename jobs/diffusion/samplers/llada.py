"""LLaDA's sampler (Nie et al. 2025, arXiv 2502.09992, alg. 4 and 5; code: ML-GSAI/LLaDA generate.py)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from jobs.diffusion.denoiser import Denoiser, guided, probabilities
from jobs.diffusion.samplers.base import Draws, Step, choose, details, quotas
from jobs.specs.sampler import LLaDASampler


@dataclass(frozen=True)
class Plan:
    """Which block each position is in, and how many masks each row reveals in each step of each block."""

    block: Tensor
    """[B, L] block number; -1 outside the row's blocks."""
    quotas: list[list[list[int]]]
    """[blocks][steps][B]"""


def plan(masked: Tensor, steps: int, block_size: int | None) -> Plan:
    """Blocks of `block_size` (None: one block) over each row's span from its first to its last mask [B, L].

    For prompt + masks this is LLaDA's own plan. Each row is planned on its own, so that a row does not depend
    on its batch. The steps are shared out evenly over the row's blocks, at least one each.
    """
    block_BL = torch.full(masked.shape, -1)
    table: list[list[list[int]]] = []  # [row][block][step]
    for row, at in enumerate(masked.cpu()):
        positions = at.nonzero().flatten()
        if not len(positions):
            table.append([])
            continue
        first, last = int(positions[0]), int(positions[-1])
        size = block_size or last - first + 1
        block_BL[row, first : last + 1] = torch.arange(last - first + 1) // size
        blocks = (last - first) // size + 1
        base, remainder = divmod(steps, blocks)
        counts = torch.bincount(block_BL[row][at], minlength=blocks).tolist()
        table.append([quotas(n, max(1, base + (b < remainder))) for b, n in enumerate(counts)])
    by_block = []
    for block in range(max((len(row) for row in table), default=0)):
        rows = [row[block] if block < len(row) else [] for row in table]
        longest = max(len(row) for row in rows)
        by_block.append([[row[s] if s < len(row) else 0 for row in rows] for s in range(longest)])
    return Plan(block_BL.to(masked.device), by_block)


def sample(
    denoiser: Denoiser,
    ids: Tensor,
    attention_mask: Tensor | None,
    options: LLaDASampler,
    generator: torch.Generator | None = None,
    should_stop: Callable[[], bool] | None = None,
    *,
    eos_id: int | None = None,
    eot_id: int | None = None,
    want_details: bool = False,
    draws: Draws | None = None,
) -> Iterator[Step]:
    """Fill every mask of `ids` [B, L], block by block, in each the most confident positions first.

    Masks may be anywhere: after the prompt (completion), between given words (infilling) or all over (grids,
    which are one block). `attention_mask` [B, L] is 0 at padding. `eos_id` and `eot_id` are the end-of-text
    and end-of-turn tokens that `suppress_eos` and `delay_eos` speak of. Steps in which no row has anything to
    do are skipped. `should_stop` is asked before every forward pass; on True the iterator ends.
    The same seed of `generator` and the same batch give the same result.
    """
    draws = draws or Draws(generator)
    given_BL = ids != denoiser.mask_id
    hidden_BL = torch.zeros_like(given_BL) if attention_mask is None else attention_mask == 0
    one_block = denoiser.config.task == "grid"
    whole = plan(~given_BL & ~hidden_BL, options.steps, None if one_block else options.block_size)
    nfe = 0
    for index, (block, window, in_block_BL, take) in enumerate(visits(whole)):
        if should_stop is not None and should_stop():
            return
        # 1. Logits of the window, guided away from the unconditional ones if asked.
        masked_BW = (in_block_BL & ~hidden_BL & (ids == denoiser.mask_id))[:, window]
        logits_BWV = guided(denoiser, ids, given_BL, options.cfg_scale, attention_mask, window)
        if options.suppress_eos and eos_id is not None:
            logits_BWV[..., eos_id] = -torch.inf
        softmax_BWV = probabilities(logits_BWV)
        # 2. A token for every position; never the mask itself.
        logits_BWV[..., denoiser.mask_id] = -torch.inf
        tokens_BW = choose(logits_BWV, options.temperature, draws, ids, window)
        # 3. How sure the model is of it. Each row keeps its surest; the rest stay masked for another step.
        chance_BW = softmax_BWV.gather(-1, tokens_BW[..., None])[..., 0]
        if options.remasking == "random":
            confidence_BW = draws.uniform(ids, window)
        elif options.delay_eos:
            confidence_BW = without_ends(softmax_BWV, tokens_BW, chance_BW, (eos_id, eot_id))
        else:
            confidence_BW = chance_BW
        revealed_BL = surest(confidence_BW, masked_BW, window, take, ids.shape[1])
        # 4. Write them, on a new canvas.
        revealed_BW = revealed_BL[:, window]
        ids = ids.clone()
        ids[:, window] = torch.where(revealed_BW, tokens_BW, ids[:, window])
        written_BL = torch.zeros(ids.shape, device=ids.device)
        written_BL[:, window] = torch.where(revealed_BW, chance_BW, 0.0)
        extra = details(softmax_BWV, masked_BW, revealed_BW, denoiser.mask_id) if want_details else ()
        nfe += 1 if options.cfg_scale == 0 else 2
        yield Step(index, nfe, block, ids, revealed_BL, written_BL, *extra)


def visits(whole: Plan) -> Iterator[tuple[int, slice, Tensor, list[int]]]:
    """(block, its columns over all rows, its positions [B, L], masks to reveal a row) for each step in which
    any row has something to do."""
    for block, steps in enumerate(whole.quotas):
        in_block_BL = whole.block == block
        columns = in_block_BL.any(0).nonzero().flatten()
        window = slice(int(columns[0]), int(columns[-1]) + 1)
        for take in steps:
            if any(take):
                yield block, window, in_block_BL, take


def without_ends(
    softmax_BWV: Tensor, tokens_BW: Tensor, chance_BW: Tensor, ends: tuple[int | None, ...]
) -> Tensor:
    """[B, W] the tokens' probabilities once the end tokens are taken out of the softmax: a position that
    wants to end the text gets 0 and is written last.

    The published code edits the wrong tensor at temperature > 0 (ML-GSAI/LLaDA issue 137); this is what it
    says it does, and equals it at temperature 0.
    """
    left_BW = torch.ones_like(chance_BW)
    is_end_BW = torch.zeros_like(tokens_BW, dtype=torch.bool)
    for end in {end for end in ends if end is not None}:
        left_BW = left_BW - softmax_BWV[..., end]
        is_end_BW |= tokens_BW == end
    return torch.where(is_end_BW, 0.0, chance_BW / left_BW.clamp(min=torch.finfo(left_BW.dtype).tiny))


def surest(confidence_BW: Tensor, masked_BW: Tensor, window: slice, take: list[int], length: int) -> Tensor:
    """[B, L] bool: each row's `take[row]` most confident masked positions.

    topk runs over whole rows, as in the published code, so that ties fall the same way.
    """
    confidence_BL = torch.full((len(take), length), -torch.inf, device=confidence_BW.device)
    confidence_BL[:, window] = torch.where(masked_BW, confidence_BW, -torch.inf)
    revealed_BL = torch.zeros_like(confidence_BL, dtype=torch.bool)
    for row, count in enumerate(take):
        if count:
            revealed_BL[row, confidence_BL[row].topk(count).indices] = True
    return revealed_BL
