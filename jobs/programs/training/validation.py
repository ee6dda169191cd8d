"""Loss and accuracy on rows held out, under masks that never change: points of the curves differ only by the
model."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from jobs.data.collate import Collator, to_device
from jobs.data.encode import Sequence
from jobs.diffusion.accuracy import right_tokens
from jobs.programs.training import ranks
from jobs.programs.training.sequence_parallel import whole_texts
from jobs.programs.training.trainer import DiffusionLoss
from jobs.protocol.events import LEVELS

SHARES = (15, 50, 85)  # percent of the maskable tokens that are masked where accuracy is measured
ACCURACY_ROWS = 64  # rows that are measured: three passes each


@dataclass(frozen=True)
class Score:
    """What one validation found, the same on all ranks."""

    loss: float | None
    """None where the noise, always the same, masks no token of the few rows: 0 would look perfect."""
    level_loss: list[float]  # sums of cross-entropy by noise level
    level_count: list[float]
    accuracy: dict[int, float]  # percent masked -> share of the masked tokens that are named right
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
        sums = torch.zeros(2 + 2 * LEVELS + 2 * len(SHARES), dtype=torch.float64)
        starts = range(0, len(self.sequences), self.batch_size)
        # All ranks run as many batches, the last ones perhaps for nothing: with split weights (ZeRO stage 3)
        # a forward pass is work that all ranks do together.
        for turn in range(0, len(starts), self.world):
            if self.should_stop():
                model.train(training)
                return None
            mine = turn + self.rank
            counts = mine < len(starts)
            start, measured = starts[mine if counts else turn], starts[turn] < ACCURACY_ROWS
            sums += self._batch(model, start, measured) * (1 if counts else 0)
        model.train(training)
        loss, rows, *rest = ranks.total(sums.to(self.device, self._dtype())).tolist()
        levels, right, masked = (
            rest[: 2 * LEVELS],
            rest[-2 * len(SHARES) :: 2],
            rest[1 - 2 * len(SHARES) :: 2],
        )
        accuracy = {share: r / n for share, r, n in zip(SHARES, right, masked, strict=True) if n}
        level_count = levels[LEVELS:]
        seconds = time.monotonic() - started
        return Score(
            loss / rows if any(level_count) else None, levels[:LEVELS], level_count, accuracy, seconds
        )

    def _batch(self, model: torch.nn.Module, start: int, measured: bool) -> Tensor:
        """Sums of the batch that begins at `start`: loss times rows, rows, level sums [8], level counts [8],
        and where it is `measured`, right and masked tokens for each of SHARES (else zeros)."""
        sequences = self.sequences[start : start + self.batch_size]
        batch = to_device(self.collator(sequences), self.device)
        result = self.diffusion_loss(model, batch, self._noise("validation", start))
        share = len(sequences) / self.diffusion_loss.layout.parts  # processes that share a text add up
        rows = torch.tensor([result.loss.item() * len(sequences), share], dtype=torch.float64)
        right = torch.zeros(2 * len(SHARES), dtype=torch.float64)
        if measured and not self.diffusion_loss.objective.causal:  # a causal model sees no masks
            found = [self._right(model, batch, share, start) for share in SHARES]
            if start < ACCURACY_ROWS:  # else it only kept the other ranks company
                right = torch.tensor(found, dtype=torch.float64).flatten()
        return torch.cat([rows, result.level_loss.cpu().double(), result.level_count.cpu().double(), right])

    def _right(
        self, model: torch.nn.Module, batch: dict[str, Any], share: int, start: int
    ) -> tuple[int, int]:
        loss = self.diffusion_loss
        with whole_texts():  # processes that share texts count the same tokens alike
            return right_tokens(
                loss.objective,
                model,
                loss.as_batch(batch),
                share / 100,
                mask_id=loss.config.mask_token_id,
                shifted=loss.config.shifted_logits,
                generator=self._noise("accuracy", share, start),
            )

    def _noise(self, *key: int | str) -> torch.Generator:
        return ranks.generator(torch.device("cpu"), *key)

    def _dtype(self) -> torch.dtype:
        return torch.float64 if self.device.type != "mps" else torch.float32
