"""The loss on rows held out, under masks that never change: points of the curve differ only by the model."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from jobs.data.collate import Collator, to_device
from jobs.data.encode import Sequence
from jobs.programs.training import ranks
from jobs.programs.training.trainer import DiffusionLoss
from jobs.protocol.events import LEVELS


@dataclass(frozen=True)
class Score:
    """What one validation found, the same on all ranks."""

    loss: float
    level_loss: list[float]  # sums of cross-entropy by noise level
    level_count: list[float]
    seconds: float


@dataclass(frozen=True)
class Validation:
    """Batches are formed before they are dealt to the ranks, and each has a noise of its own: the score does
    not depend on how many processes there are."""

    sequences: list[Sequence]
    collator: Collator
    diffusion_loss: DiffusionLoss
    batch_size: int
    device: torch.device
    rank: int
    world: int
    should_stop: Callable[[], bool]

    @torch.no_grad()
    def __call__(self, model: torch.nn.Module) -> Score | None:
        """Score the model. None if there is nothing to score it on or a stop was asked for.

        Every rank must call it. `model` is the bare module, not its data parallel wrapper.
        """
        if not self.sequences:
            return None
        started = time.monotonic()
        training = model.training
        model.eval()
        sums = torch.zeros(2 + 2 * LEVELS, dtype=torch.float64)
        starts = range(0, len(self.sequences), self.batch_size)
        # All ranks run as many batches, the last ones perhaps for nothing: with split weights (ZeRO stage 3)
        # a forward pass is work that all ranks do together.
        for turn in range(0, len(starts), self.world):
            if self.should_stop():
                model.train(training)
                return None
            mine = turn + self.rank
            counts = mine < len(starts)
            result = self._batch(model, starts[mine if counts else turn])
            sums += result if counts else 0
        model.train(training)
        loss, rows, *levels = ranks.total(sums.to(self.device, self._dtype())).tolist()
        return Score(loss / rows, levels[:LEVELS], levels[LEVELS:], time.monotonic() - started)

    def _batch(self, model: torch.nn.Module, start: int) -> Tensor:
        """(loss times rows, rows, level sums [8], level counts [8]) of the batch that begins at `start`."""
        sequences = self.sequences[start : start + self.batch_size]
        batch = to_device(self.collator(sequences), self.device)
        noise = ranks.generator(torch.device("cpu"), "validation", start)
        result = self.diffusion_loss(model, batch, noise)
        share = len(sequences) / self.diffusion_loss.layout.parts  # processes that share a text add up
        rows = torch.tensor([result.loss.item() * len(sequences), share], dtype=torch.float64)
        return torch.cat([rows, result.level_loss.cpu().double(), result.level_count.cpu().double()])

    def _dtype(self) -> torch.dtype:
        return torch.float64 if self.device.type != "mps" else torch.float32
