"""Hugging Face's Trainer with the loss of a diffusion language model."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer

from jobs.data.collate import Collator
from jobs.diffusion.objectives import LossResult, Objective, training_loss
from jobs.programs.training import ranks
from jobs.protocol.events import LEVELS
from jobs.specs.diffusion_config import DiffusionConfig


@dataclass(frozen=True)
class DiffusionLoss:
    """From a batch of the collator to a loss: what training and validation share."""

    objective: Objective
    config: DiffusionConfig
    conversations: bool
    """Conversations: the loss may be normalised by each answer's length."""

    def __call__(
        self,
        model: torch.nn.Module,
        batch: dict[str, Any],
        generator: torch.Generator,
        step: int | None = None,
    ) -> LossResult:
        """One batch through noise, model and loss. batch: see jobs.data.collate.Collator; step: steps done,
        None outside training."""
        return training_loss(
            self.objective,
            model,
            batch["input_ids"],
            batch["maskable"],
            mask_id=self.config.mask_token_id,
            shifted=self.config.shifted_logits,
            prompt_lengths=batch["prompt_lengths"] if self.conversations else None,
            attention_mask=batch.get("attention_mask"),
            extra=batch.get("extra"),
            generator=generator,
            step=step,
        )


class Meter:
    """Sums since the last point of the curves, on this rank."""

    def __init__(self, device: torch.device):
        self.device = device
        self.reset()

    def reset(self) -> None:
        self.level_loss = torch.zeros(LEVELS, device=self.device)
        self.level_count = torch.zeros(LEVELS, device=self.device)
        self.cells = 0  # cells of the batches, filling included
        self.filling = torch.zeros((), device=self.device)  # of these, filling that is trained

    def add(self, result: LossResult, batch: dict[str, Any]) -> None:
        self.level_loss += result.level_loss
        self.level_count += result.level_count
        cells, attended = batch["input_ids"].numel(), batch.get("attention_mask")
        self.cells += cells
        # What is attended to beyond a row's own tokens is filling that is trained.
        self.filling += (cells if attended is None else attended.sum()) - batch["lengths"].sum()

    def total(self) -> dict[str, Any]:
        """The sums over all ranks, which must all call it; then start anew."""
        counts = torch.stack([torch.tensor(float(self.cells), device=self.device), self.filling])
        sums = ranks.total(torch.cat([self.level_loss, self.level_count, counts])).tolist()
        self.reset()
        cells, filling = sums[2 * LEVELS :]
        return {
            "loss": sums[:LEVELS],
            "count": sums[LEVELS : 2 * LEVELS],
            "cells": cells,
            "filling": filling / max(cells, 1),
        }


class DiffusionTrainer(Trainer):
    """The loss is ours; data order, optimizer, processes, precision and checkpoints are the Trainer's."""

    loss_is_scaled_for_ga = False  # our loss is a mean of its own batch: the Trainer divides when it adds up

    def __init__(self, *, diffusion_loss: DiffusionLoss, seed: int, data_collator: Collator, **given: Any):
        super().__init__(data_collator=data_collator, **given)
        self.model_accepts_loss_kwargs = False  # the same, for older versions of transformers
        self.diffusion_loss = diffusion_loss
        self.noise_seed = seed
        self.meter = Meter(self.args.device)
        self._drawn_at = (-1, -1)  # (step, draws in it)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The loss of one batch. Its noise depends only on (seed, step, rank, batch within the step)."""
        result = self.diffusion_loss(model, inputs, self._noise(), self.state.global_step)
        self.meter.add(result, inputs)
        return (result.loss, result) if return_outputs else result.loss

    def _noise(self) -> torch.Generator:
        step, draws = self._drawn_at
        draws = draws + 1 if step == self.state.global_step else 0
        self._drawn_at = (self.state.global_step, draws)
        # Drawn on the CPU, so that a GPU trains with the same masks.
        return ranks.generator(
            torch.device("cpu"),
            self.noise_seed, "train", self.state.global_step, self.args.process_index, draws,
        )  # fmt: skip

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Not counted: the Trainer would walk through all parameters for each batch."""
        return 0
