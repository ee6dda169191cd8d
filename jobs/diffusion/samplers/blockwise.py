"""Blocks from left to right, each read through a window until it is full: what Fast-dLLM, dInfer and
LocalLeap share. They differ in the rule that says what is written after a pass.

The first pass over a block reads the whole canvas. Without a cache the later ones do too. With one they are
fed a window only, and what lies outside of it is read as it was in the first pass (Wu et al. 2025, arXiv
2505.22618, section 3.2):

    prefix    from the block's first position to the end of the canvas
    dual      the block alone

Shape suffixes as in base: B rows, L positions, W columns that are looked at, V vocabulary.
"""

import itertools
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from jobs.diffusion.samplers.base import Forward, Sampling, Start, Step, View, columns, look, write
from jobs.diffusion.samplers.llada import plan
from jobs.protocol.errors import SpecError

UseCache = Literal["none", "prefix", "dual"]


@dataclass(frozen=True)
class Turn:
    """One pass over a block, and what it showed."""

    view: View
    ids: Tensor
    """[B, L] the canvases, not yet written to."""
    open: Tensor
    """[B, W] bool: where the rule may write."""
    blocks: Tensor
    """[B] how many blocks each row has."""
    block: int
    """Which block it is, from 0."""
    number: int
    """How many passes there were over this block before this one."""


Rule = Callable[[Turn], tuple[Tensor, Tensor]]
"""What to write after a pass: tokens [B, W], and where [B, W] bool. In the end it must fill the block."""

Lines = Generator[Forward | Step, Tensor, Tensor]
"""A sampling that returns the canvases it ends with."""


def fill(start: Start, block_size: int | None, rule: Rule, use_cache: UseCache = "none") -> Sampling:
    """Fill every mask, block by block of `block_size` (None: one block) from each row's first mask on.

    With a cache all rows of a pass are fed the same columns. Rows whose blocks stand elsewhere are therefore
    filled one kind after the other.
    Raises: SpecError where the model cannot be read through a window.
    """
    ids = start.ids
    if use_cache != "none" and start.config.block_size is not None:
        raise SpecError(
            f"use_cache {use_cache} is for models in which all positions see each other; this one attends by "
            f"blocks of {start.config.block_size}: set use_cache to none, or take a sampler for such models."
        )
    one_block = start.config.task == "grid"
    number_BL = plan(start.masked(ids), 1, None if one_block else block_size).block
    kinds = [slice(None)] if use_cache == "none" else alike(number_BL)
    for rows in kinds:
        seen = start.attention_mask
        part = replace(start, ids=start.ids[rows], attention_mask=None if seen is None else seen[rows])
        ids = yield from _widened(_filled(part, number_BL[rows], rule, use_cache), ids, rows)


def alike(number_BL: Tensor) -> Iterator[Tensor | slice]:
    """The rows [N] whose blocks stand in the same columns, one kind after the other; all as a slice."""
    kinds_KL, kind_B = number_BL.unique(dim=0, return_inverse=True)
    if len(kinds_KL) == 1:
        yield slice(None)
        return
    for kind in range(len(kinds_KL)):
        yield (kind_B == kind).nonzero().flatten()


def _filled(start: Start, number_BL: Tensor, rule: Rule, use_cache: UseCache) -> Lines:
    """Fill the blocks `number_BL` [B, L] (-1: in none); with a cache they are the same in all rows."""
    ids, length = start.ids, start.ids.shape[1]
    blocks_B = number_BL.amax(1) + 1
    cache = None
    if use_cache != "none":
        if start.new_cache is None:
            raise SpecError("This model cannot keep keys and values between steps: set use_cache to none.")
        cache = start.new_cache(length)
    for block in range(int(blocks_B.max())):
        in_block_BL = number_BL == block
        bounds = columns(in_block_BL)
        window = slice(int(bounds[0]), length if use_cache == "prefix" else int(bounds[-1]) + 1)
        for number in itertools.count():
            open_BL = in_block_BL & start.masked(ids)
            due_BL = torch.zeros_like(open_BL)
            if number == 0 and cache is not None and start.config.shifted_logits:
                # The output that predicts the window's first position stands before the window, so only this
                # pass has it. It writes that position, and in rows where it is open nothing else
                # (NVlabs/Fast-dLLM dream/model/generation_utils_block.py).
                due_BL[:, window.start] = open_BL[:, window.start]
                open_BL = torch.where(due_BL.any(1, keepdim=True), due_BL, open_BL)
            at = columns(open_BL)
            if not len(at):
                break
            feed = None if number == 0 or cache is None else window
            view = yield from look(start, ids, at, start.attention_mask, feed=feed, cache=cache)
            open_BW = open_BL[:, at]
            tokens_BW, where_BW = rule(Turn(view, ids, open_BW, blocks_B, block, number))
            step = write(start, ids, view, tokens_BW, (where_BW | due_BL[:, at]) & open_BW, block)
            if bool(step.revealed.any()):
                ids = step.ids
                yield step
    return ids


def _widened(lines: Lines, ids: Tensor, rows: Tensor | slice) -> Lines:
    """The sampling of some `rows` of the canvases `ids` [B, L], told as steps of all of them."""
    answer: Tensor | None = None
    while True:
        try:
            said = next(lines) if answer is None else lines.send(answer)
        except StopIteration:
            return ids
        answer = None
        if isinstance(said, Forward):
            answer = yield said
            continue
        step = said if isinstance(rows, slice) else _among(said, ids, rows)
        ids = step.ids
        yield step


def _among(step: Step, ids: Tensor, rows: Tensor) -> Step:
    """A step of some rows as a step of all canvases `ids` [B, L]."""
    after, revealed = ids.clone(), torch.zeros_like(ids, dtype=torch.bool)
    probability = torch.zeros(ids.shape, device=ids.device)
    after[rows], revealed[rows], probability[rows] = step.ids, step.revealed, step.probability
    entropy = step.entropy
    if entropy is not None:
        entropy = torch.full((len(ids),), torch.nan, device=ids.device).index_copy(0, rows, entropy)
    return replace(step, ids=after, revealed=revealed, probability=probability, entropy=entropy)


def or_surest(where_BW: Tensor, confidence_BW: Tensor, open_BW: Tensor) -> Tensor:
    """[B, W] bool: `where_BW`, and in any case each row's most confident open column."""
    best_B1 = confidence_BW.masked_fill(~open_BW, -torch.inf).argmax(1, keepdim=True)
    return where_BW.scatter(1, best_B1, True) & open_BW


def steps_of_block(turn: Turn, steps: int) -> Tensor:
    """[B] the steps of this block when `steps` are shared out over a row's blocks, the remainder first and at
    least one each."""
    blocks_B = turn.blocks.clamp(min=1)
    return (steps // blocks_B + (turn.block < steps % blocks_B)).clamp(min=1)
