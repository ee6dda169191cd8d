"""Running samplers: one alone, or many in step, their forward passes in one batch."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from jobs.diffusion.denoiser import Denoiser
from jobs.diffusion.samplers import SAMPLERS
from jobs.diffusion.samplers.base import Forward, Own, Start, Step, close, ended
from jobs.protocol.errors import SpecError
from jobs.specs.samplers import SamplerOptions
from jobs.specs.samplers.fits import misfit


class Run:
    """One sampler at work: it waits for the answer to `asks`, and what it has done lies in `steps`."""

    def __init__(self, start: Start, options: SamplerOptions):
        """Raises: SpecError for settings that the canvases or the model cannot honour."""
        if options.noise != start.config.noise:
            raise SpecError(str(misfit(options, start.config)))
        self.start = start
        self.asks: Forward | Own | None = None
        """The pass it needs next; None: it has finished."""
        self.steps: deque[Step] = deque()
        self._sampler = SAMPLERS[options.name](start, options)  # type: ignore[attr-defined]
        self._may_exit = options.early_exit and options.stays_written
        self._index = self._nfe = 0
        self._go(None)

    def answer(self, said: Any) -> None:
        """What the pass it asked for gave: logits [B, W, V], which are its to change."""
        assert self.asks is not None, "nothing was asked"
        self._nfe += self.asks.passes
        self._go(said)

    def close(self) -> None:
        """Stop where it is."""
        self.asks = None
        self._sampler.close()

    def _go(self, answer: Any) -> None:
        """Let the sampler work until it needs the model again."""
        while True:
            try:
                said = self._sampler.send(answer)
            except StopIteration:
                self.asks = None
                return
            answer = None
            if not isinstance(said, Step):
                self.asks = said
                return
            self._tell(said)
            if self._may_exit and self._ended(whole := self._whole(said.ids)):
                rest = close(self.start, whole, said.block)
                if rest is not None:
                    self._tell(rest)
                self.close()
                return

    def _tell(self, step: Step) -> None:
        self.steps.append(replace(step, index=self._index, nfe=self._nfe))
        self._index += 1

    def _ended(self, ids: Tensor) -> bool:
        """Whether nothing that is read can change any more, in any row."""
        return bool((ended(self.start, ids) | ~self.start.masked(ids).any(1)).all())

    def _whole(self, ids: Tensor) -> Tensor:
        """A canvas that has not grown to its full length yet, with the rest of the start after it."""
        return torch.cat([ids, self.start.ids[:, ids.shape[1] :]], 1)


def unmask(
    denoiser: Denoiser, start: Start, options: SamplerOptions, should_stop: Callable[[], bool] | None = None
) -> Iterator[Step]:
    """A sampler's steps over a batch of canvases. The same start gives the same steps.

    `should_stop` is asked before every forward pass; on True the iterator ends.
    Raises: SpecError for settings that the canvases or the model cannot honour.
    """
    run = Run(start, options)
    while True:
        while run.steps:
            yield run.steps.popleft()
        if run.asks is None:
            return
        if should_stop is not None and should_stop():
            run.close()
            return
        run.answer(answer(denoiser, run.asks))


@torch.no_grad()
def answer(denoiser: Denoiser, forward: Forward | Own) -> Any:
    """What one pass gives: logits [B, W, V], or what the model says in its own way."""
    if isinstance(forward, Own):
        return forward.run(denoiser.model)
    return denoiser(
        forward.ids,
        forward.attention_mask,
        forward.at,
        feed=forward.feed,
        cache=forward.cache,
        blocks=forward.blocks,
        sigma=forward.sigma,
    )


def advance(denoiser: Denoiser, runs: Sequence[Run]) -> None:
    """One pass for each run that needs one."""
    for run, logits in replies(denoiser, runs):
        run.answer(logits)


def replies(denoiser: Denoiser, runs: Sequence[Run]) -> Iterator[tuple[Run, Any]]:
    """Each run that needs a pass, with what it gave; those that read whole canvases share a batch."""
    needing = [(run, run.asks) for run in runs if run.asks is not None]
    together = [(run, asks) for run, asks in needing if isinstance(asks, Forward) and _shares(denoiser, asks)]
    alone = [(run, asks) for run, asks in needing if not any(run is other for other, _ in together)]
    for run, asks in alone if len(together) != 1 else alone + together:
        yield run, answer(denoiser, asks)
    if len(together) > 1:
        logits = batched(denoiser, [asks for _, asks in together])
        yield from zip([run for run, _ in together], logits, strict=True)


def _shares(denoiser: Denoiser, asks: Forward) -> bool:
    return not asks.reads_alone and denoiser.begins(asks.attention_mask, asks.at) is None


def batched(denoiser: Denoiser, forwards: Sequence[Forward]) -> list[Tensor]:
    """The logits of several passes over whole canvases, from one batch, shorter canvases padded on the
    right."""
    # 1. One canvas for all.
    longest = max(f.ids.shape[1] for f in forwards)
    ids, kept = [], []
    for f in forwards:
        rest = longest - f.ids.shape[1]
        mask = torch.ones_like(f.ids) if f.attention_mask is None else f.attention_mask.long()
        ids.append(torch.nn.functional.pad(f.ids, (0, rest)))
        kept.append(torch.nn.functional.pad(mask, (0, rest)))
    # 2. The outputs that speak for each one's columns, once each.
    wanted = torch.zeros(sum(map(len, ids)), longest, dtype=torch.bool, device=ids[0].device)
    places, row = [], 0
    for f in forwards:
        outputs, back = denoiser.outputs(f.at).unique(return_inverse=True)
        wanted[row : row + len(f.ids), outputs] = True
        places.append((len(f.ids), len(outputs), back))
        row += len(f.ids)
    flat_NV = denoiser.selected(torch.cat(ids), torch.cat(kept), wanted)
    # 3. To each its own, in its own order.
    parts = flat_NV.split([rows * width for rows, width, _ in places])
    return [
        part.view(rows, width, -1)[:, back] for part, (rows, width, back) in zip(parts, places, strict=True)
    ]
