"""LLaDA's sampler (Nie et al. 2025, arXiv 2502.09992, alg. 4 and 5; code: ML-GSAI/LLaDA generate.py)."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from jobs.diffusion.samplers.base import Sampling, Start, View, choose, columns, look, quotas, surest, write
from jobs.specs.samplers import LLaDASampler


@dataclass(frozen=True)
class Plan:
    """Which block each position is in, and how many masks each row reveals in each step of each block."""

    block: Tensor
    """[B, L] block number; -1 outside the row's blocks."""
    quotas: list[list[list[int]]]
    """[blocks][steps][B]"""

    def visits(self) -> Iterator[tuple[int, Tensor, list[int]]]:
        """(block, its positions [B, L], masks to reveal a row) for each step in which any row has something
        to do."""
        for block, steps in enumerate(self.quotas):
            in_block_BL = self.block == block
            for take in steps:
                if any(take):
                    yield block, in_block_BL, take


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


def sample(start: Start, options: LLaDASampler) -> Sampling:
    """Fill every mask, block by block, in each the most confident positions first.

    A grid is one block. Steps in which no row has anything to do are skipped.
    """
    ids, draws = start.ids, start.draws
    never = (start.eos_id,) if options.suppress_eos and start.eos_id is not None else ()
    one_block = start.config.task == "grid"
    whole = plan(start.masked(ids), options.steps, None if one_block else options.block_size)
    for block, in_block_BL, take in whole.visits():
        # 1. What the model says about the masks of the block, guided away from the unconditional if asked.
        open_BL = in_block_BL & start.masked(ids)
        at = columns(open_BL)
        shown, seen = ids, start.attention_mask
        if options.canvas == "growing":
            up_to_BL = _up_to(whole.block, block)
            width = int(columns(up_to_BL)[-1]) + 1
            shown, seen = ids[:, :width], (up_to_BL & ~start.padding)[:, :width].long()
        view = yield from look(start, shown, at, seen, cfg_scale=options.cfg_scale, suppress=never)
        # 2. A token for each; never the mask itself.
        tokens_BW = choose(view, options.temperature, draws, ids)
        # 3. How sure the model is of it. Each row keeps its surest; the rest stay masked for another step.
        if options.remasking == "random":
            confidence_BW = draws.uniform(ids, at)
        elif options.delay_eos:
            confidence_BW = without_ends(view, tokens_BW, (start.eos_id, start.eot_id))
        else:
            confidence_BW = view.chance(tokens_BW)
        revealed_BW = surest(confidence_BW, open_BL[:, at], at, take, ids.shape[1])
        # 4. Write them, on a new canvas.
        step = write(start, ids, view, tokens_BW, revealed_BW, block)
        ids = step.ids
        yield step


def _up_to(block_BL: Tensor, block: int) -> Tensor:
    """[B, L] bool: everything up to the end of a row's `block`; all of a row that has no such block."""
    in_block_BL = block_BL == block
    later_BL = ~in_block_BL.flip(1).cummax(1).values.flip(1)
    return ~later_BL | ~in_block_BL.any(1, keepdim=True)


def without_ends(view: View, tokens_BW: Tensor, ends: tuple[int | None, ...]) -> Tensor:
    """[B, W] the tokens' probabilities once the end tokens are taken out of the softmax: a position that
    wants to end the text gets 0 and is written last.

    The published code edits the wrong tensor at temperature > 0 (ML-GSAI/LLaDA issue 137); this is what it
    says it does, and equals it at temperature 0.
    """
    chance_BW = view.chance(tokens_BW)
    left_BW = torch.ones_like(chance_BW)
    is_end_BW = torch.zeros_like(tokens_BW, dtype=torch.bool)
    for end in {end for end in ends if end is not None}:
        left_BW = left_BW - view.probability[..., end]
        is_end_BW |= tokens_BW == end
    return torch.where(is_end_BW, 0.0, chance_BW / left_BW.clamp(min=torch.finfo(left_BW.dtype).tiny))
