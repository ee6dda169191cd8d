"""Canvases read block by block, as block diffusion models were trained (Arriola et al. 2025, arXiv
2503.09573).

A block sees itself and all blocks before it, and nothing sees a later one. So a block is filled when all
before it stand, and what was computed for these need not be computed again: keeping their keys and values
changes nothing.

Shape suffixes: B rows, L positions, W columns whose logits are wanted.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Literal

import torch
from torch import Tensor

from jobs.diffusion.samplers.base import Forward, Sampling, Start, View, columns, ended, look, surest, write
from jobs.diffusion.samplers.filters import Drawn, draw
from jobs.protocol.errors import SpecError
from jobs.specs.samplers.blocks import BlockOptions, DrawnBlockOptions


class Blocks:
    """The blocks of a start's canvases, and how far their keys and values are known.

    Rows may be padded differently, so that their blocks lie in other columns. Each row goes by its own grid;
    a pass is fed all columns that any row needs, and the attention pattern keeps the rest out of sight.
    """

    def __init__(self, start: Start, options: BlockOptions, blocks_from: Literal["start", "mask"] = "start"):
        self.start = start
        self.size = options.size_for(start.config)
        self.number = _numbers(start, self.size, blocks_from)
        """[B, L] which block of its row a position is in."""
        self._may_exit = options.early_exit
        self._cache = _cache(start) if options.use_cache == "prefix" else None
        self._known = 0  # leading columns whose keys and values in the cache are those of the finished text

    def rounds(self) -> Iterator[Tensor]:
        """[B, L] bool: the block that each row fills next, from left to right. A row whose masks are all in
        earlier blocks sits out."""
        waiting_BL = ~self.start.given
        while bool(waiting_BL.any()):
            last = int(self.number.max()) + 1
            next_B1 = self.number.masked_fill(~waiting_BL, last).amin(1, keepdim=True)
            block_BL = (self.number == next_B1) & ~self.start.padding
            yield block_BL
            waiting_BL = waiting_BL & ~block_BL

    def open(self, ids: Tensor, block_BL: Tensor) -> Tensor:
        """[B, L] bool: the masks of the blocks that are to be written; none in a row whose text has ended,
        where it may be left at that (what is behind the end is then closed)."""
        open_BL = block_BL & self.start.masked(ids)
        return open_BL & ~ended(self.start, ids)[:, None] if self._may_exit else open_BL

    def look(
        self, ids: Tensor, block_BL: Tensor, at: Tensor, **guidance: Any
    ) -> Generator[Forward, Tensor, View]:
        """Ask for the blocks `block_BL` of the canvases `ids` [B, L] to be read, and view their columns `at`.

        The first pass over a block is also fed the blocks that were finished since the last one (at first,
        the prompt), so that a finished block costs no pass of its own. `guidance`: see base.look.
        """
        # 1. From the first column that any row fills to the last.
        filled = columns(block_BL)
        first, stop = int(filled[0]), int(filled[-1]) + 1
        mask = self.start.attention_mask
        # 2. With a cache, only what is not known; in a shifted model the token before speaks for the first.
        feed = None
        if self._cache is not None:
            before = 1 if self.start.config.shifted_logits and self._known else 0
            feed = slice(self._known - before, stop)
        view = yield from look(
            self.start,
            ids[:, :stop],
            at,
            None if mask is None else mask[:, :stop],
            feed=feed,
            cache=self._cache,
            blocks=self.number[:, :stop],
            **guidance,
        )
        # 3. What lies before these blocks will not change any more.
        self._known = max(self._known, first)
        return view


def _numbers(start: Start, size: int, blocks_from: Literal["start", "mask"]) -> Tensor:
    """[B, L] block numbers, from 0 at each row's first real token, or its first mask (negative before)."""
    if blocks_from == "mask":
        at = torch.arange(start.ids.shape[1], device=start.ids.device)
        return (at - (~start.given).int().argmax(1, keepdim=True)) // size
    return ((~start.padding).cumsum(1) - 1).clamp(min=0) // size


def _cache(start: Start) -> Any:
    if start.new_cache is None:
        raise SpecError("Nothing keeps keys and values here: set use_cache to none.")
    return start.new_cache(start.ids.shape[1])


Rule = Callable[[Drawn, Tensor, int], Tensor]
"""(a token for each column, which columns are masked [B, W], how many are due) -> which to write [B, W]."""


def fill(
    start: Start, options: DrawnBlockOptions, due: Callable[[int], Iterable[int]], rule: Rule
) -> Sampling:
    """Fill every mask, block by block: in each pass a token is drawn for each mask of the block, and those
    are written that the rule chooses. `due` tells how many in each pass over a block of so many tokens."""
    ids = start.ids
    blocks = Blocks(start, options)
    for number, block_BL in enumerate(blocks.rounds()):
        for count in due(blocks.size):
            open_BL = blocks.open(ids, block_BL)
            if not bool(open_BL.any()):
                break
            at = columns(open_BL)
            view = yield from blocks.look(ids, block_BL, at)
            drawn = draw(view, options.temperature, options.top_k, options.top_p, start.draws, ids)
            step = write(start, ids, view, drawn.tokens, rule(drawn, open_BL[:, at], count), number)
            ids = step.ids
            yield step


def over_threshold(drawn: Drawn, open_BW: Tensor, count: int, threshold: float) -> Tensor:
    """[B, W] bool: each row's open columns above `threshold` if they are at least `count`, else its `count`
    most confident ones, or all if they are fewer."""
    sure_BW = open_BW & (drawn.confidence > threshold)
    enough_B1 = sure_BW.sum(1, keepdim=True) >= count
    return torch.where(enough_B1, sure_BW, most_confident(drawn, open_BW, count))


def most_confident(drawn: Drawn, open_BW: Tensor, count: int) -> Tensor:
    """[B, W] bool: each row's `count` most confident open columns, or all if they are fewer."""
    take = open_BW.sum(1).clamp(max=count).tolist()
    width = open_BW.shape[1]
    return surest(drawn.confidence, open_BW, torch.arange(width, device=open_BW.device), take, width)
