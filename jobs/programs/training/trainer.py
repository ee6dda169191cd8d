"""Hugging Face's Trainer with the loss of a diffusion language model."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import Trainer
from transformers.trainer import TRAINER_STATE_NAME

from jobs.data.collate import Collator
from jobs.diffusion.draws import Draws, RowDraws
from jobs.diffusion.objectives import Batch, LossResult, Objective, training_loss
from jobs.diffusion.objectives.base import corrupted, items
from jobs.programs.process import is_disk_full
from jobs.programs.training import optimizers, ranks, rates
from jobs.programs.training.averages import Average
from jobs.programs.training.ranks import ALONE, Layout
from jobs.programs.training.sequence_parallel import Dealer
from jobs.protocol.errors import ResourceError
from jobs.protocol.events import LEVELS
from jobs.protocol.folder import sync_folder
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.job import TrainSpec


@dataclass(frozen=True)
class DiffusionLoss:
    """From a batch of the collator to a loss: what training and validation share."""

    objective: Objective
    config: DiffusionConfig
    conversations: bool
    """Conversations: the loss may be normalised by each answer's length."""
    layout: Layout = ALONE

    def __call__(
        self,
        model: torch.nn.Module,
        batch: dict[str, Any],
        generator: Draws,
        step: int | None = None,
        of_step: Tensor | None = None,
    ) -> LossResult:
        """One batch through noise, model and loss. batch: see jobs.data.collate.Collator; step: steps done,
        None outside training; of_step: the mean `items` of a step's batches, of which this is one.

        Where processes share texts, this process's share of the sum."""
        return training_loss(
            self.objective,
            model,
            batch["input_ids"],
            batch["maskable"],
            mask_id=self.config.mask_token_id,
            shifted=self.config.shifted_logits,
            prompt_lengths=self._prompts(batch),
            attention_mask=batch.get("attention_mask"),
            extra=batch.get("extra"),
            documents=batch.get("documents"),
            items=of_step,
            part=self.layout.slice(batch["input_ids"].shape[1]),
            generator=generator,
            step=step,
        )

    def items(self, batch: dict[str, Any], generator: Draws) -> Tensor:
        """What this batch's loss is divided by where it stands alone: under the same generator, that of
        `__call__`. Scalar."""
        cut, noised = corrupted(
            self.objective,
            self.as_batch(batch),
            self.config.mask_token_id,
            self.config.shifted_logits,
            generator,
        )
        return items(self.objective.norm(cut), noised, cut.maskable)

    def as_batch(self, batch: dict[str, Any]) -> Batch:
        """The collator's batch as objectives take it."""
        return Batch(
            batch["input_ids"],
            batch["maskable"],
            self._prompts(batch),
            batch.get("attention_mask"),
            batch.get("extra"),
            batch.get("documents"),
        )

    def _prompts(self, batch: dict[str, Any]) -> Tensor | None:
        return batch["prompt_lengths"] if self.conversations else None


class Meter:
    """Sums since the last point of the curves, on this rank."""

    def __init__(self, device: torch.device, eos_id: int | None = None):
        self.device = device
        self.eos_id = eos_id
        self.reset()

    def reset(self) -> None:
        self.level_loss = torch.zeros(LEVELS, device=self.device)
        self.level_count = torch.zeros(LEVELS, device=self.device)
        self.cells = 0  # cells of the batches, filling included
        self.positions = 0.0  # sum over these of their row's length
        self.trained = torch.zeros(3, device=self.device)  # maskable cells: all, end-of-text, filling

    def add(self, result: LossResult, batch: dict[str, Any]) -> None:
        self.level_loss += result.level_loss
        self.level_count += result.level_count
        ids, maskable = batch["input_ids"], batch["maskable"]
        self.cells += ids.numel()
        self.positions += ids.numel() * ids.shape[1]
        # End-of-text tokens of the texts themselves, and what fills rows behind their last token.
        filling = torch.arange(ids.shape[1], device=ids.device) >= batch["lengths"][:, None]
        ends = (ids == self.eos_id) & ~filling if self.eos_id is not None else torch.zeros_like(filling)
        kinds = [maskable, maskable & ends, maskable & filling]
        self.trained += torch.stack([kind.sum() for kind in kinds])

    def total(self) -> dict[str, Any]:
        """The sums over all ranks, which must all call it; then start anew."""
        counts = torch.tensor([float(self.cells), self.positions], device=self.device)
        sums = ranks.total(torch.cat([self.level_loss, self.level_count, counts, self.trained])).tolist()
        self.reset()
        cells, positions, trained, ends, filling = sums[2 * LEVELS :]
        return {
            "loss": sums[:LEVELS],
            "count": sums[LEVELS : 2 * LEVELS],
            "cells": cells,
            "length": positions / max(cells, 1),
            "eos": ends / max(trained, 1),
            "filling": filling / max(trained, 1),
        }


class DiffusionTrainer(Trainer):
    """The loss is ours; data order, optimizer, processes, precision and checkpoints are the Trainer's.

    A step's loss is that of all its rows together, and each row has its own noise: how the rows are split
    into batches, processes and accumulated parts changes nothing but the order of sums.
    """

    loss_is_scaled_for_ga = False  # our losses add up to a mean over a step's batches: the Trainer divides

    def __init__(
        self,
        *,
        diffusion_loss: DiffusionLoss,
        spec: TrainSpec,
        data_collator: Collator,
        average: Average | None = None,
        complete: Callable[[Path], None] | None = None,
        **given: Any,
    ):
        """`complete` adds to a checkpoint's folder what makes it a model that others can load."""
        self.layout = diffusion_loss.layout
        super().__init__(data_collator=data_collator, **given)
        self.model_accepts_loss_kwargs = False  # the same, for older versions of transformers
        self.diffusion_loss = diffusion_loss
        self.spec = spec
        self.average = average
        self.complete = complete
        self.noise_seed = spec.optimisation.seed
        self.meter = Meter(self.args.device, getattr(self.processing_class, "eos_token_id", None))
        self._computed = 0  # batches of this step that are done

    def create_accelerator_and_postprocess(self) -> None:
        super().create_accelerator_and_postprocess()
        if self.layout.parts > 1:
            self.accelerator.prepare_data_loader = Dealer(self.accelerator, self.layout)

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Tensor | None]:
        """The batches of one step on this process, and the mean over all processes' batches of what a loss is
        divided by."""
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        self._computed = 0
        found = [self.diffusion_loss.items(batch, self._noise(i)) for i, batch in enumerate(batches)]
        counts = torch.stack(
            [sum(found, torch.zeros(())).to(device), torch.tensor(float(len(found))).to(device)]
        )
        total, number = ranks.total(counts)
        return batches, total / number.clamp(min=1)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The loss of one batch, as a part of its step. Its noise depends only on (seed, step, row)."""
        noise = self._noise(self._computed)
        self._computed += 1
        result = self.diffusion_loss(model, inputs, noise, self.state.global_step, num_items_in_batch)
        self.meter.add(result, inputs)
        loss = result.loss * self.layout.parts  # gradients are averaged over processes: parts are to add up
        return (loss, result) if return_outputs else loss

    def _noise(self, batch: int) -> RowDraws:
        """The random numbers of this process's batch number `batch` of the step. Batches are dealt to the
        processes one by one (accelerate, BatchSamplerShard)."""
        rows, world = self.args.per_device_train_batch_size, self.layout.world
        place = (batch * world + self.layout.rank) * rows
        total = rows * world * self.args.gradient_accumulation_steps
        return RowDraws((self.noise_seed, "train", self.state.global_step), place, total)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Not counted: the Trainer would walk through all parameters for each batch."""
        return 0

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """The optimizer of the spec (jobs.programs.training.optimizers)."""
        trained = model or self.model
        if self.optimizer is None:
            names = set(self.get_decay_parameter_names(trained))
            self.optimizer = optimizers.build(trained, self.spec, names)
        return super().create_optimizer(model)

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> Any:
        """The schedule of the learning rate; the rising one is ours."""
        if self.spec.optimisation.lr_schedule != "rising":
            return super().create_scheduler(num_training_steps, optimizer)
        if self.lr_scheduler is None:
            self.lr_scheduler = rates.rising(optimizer or self.optimizer, num_training_steps)
        return self.lr_scheduler

    @contextmanager
    def evaluated_weights(self) -> Iterator[None]:
        """Inside, the model has the weights that are validated, shown and saved: the average, where the
        training keeps one, on its own account or within its optimizer (schedule_free)."""
        if self.average is not None:
            with self.average.in_place():
                yield
            return
        if self.spec.optimisation.optimizer != "schedule_free":
            yield
            return
        self.optimizer.eval()
        try:
            yield
        finally:
            self.optimizer.train()

    def load_averages(self, checkpoint: Path) -> None:
        """What `evaluated_weights` needs of a checkpoint, for a training that has no step left to do."""
        if self.average is not None:
            self.average.load(checkpoint)
        elif self.spec.optimisation.optimizer == "schedule_free":
            self.create_optimizer_and_scheduler(self.args.max_steps)
            self._load_optimizer_and_scheduler(str(checkpoint))

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """As the Trainer does; what a full disk cut short is taken away again.

        Raises: ResourceError on a full disk. The checkpoints before it are whole: the oldest goes last.
        """
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, RuntimeError, SafetensorError) as error:
            folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
            if not is_disk_full(error, folder.parent):
                raise
            if self.args.should_save and not (folder / TRAINER_STATE_NAME).exists():
                shutil.rmtree(folder, ignore_errors=True)
            raise ResourceError(
                f"{folder.name} could not be written: the disk is full. Earlier checkpoints are whole."
            ) from error

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        super()._save_optimizer_and_scheduler(output_dir)
        if self.average is not None and self.args.should_save:
            self.average.save(Path(output_dir))

    def _save_rng_state(self, output_dir: str) -> None:
        """The last that each rank writes before rank 0 marks the checkpoint as whole: let it be whole, also
        where another rank is killed or the power goes."""
        super()._save_rng_state(output_dir)
        if self.complete is not None and self.args.should_save:
            self.complete(Path(output_dir))
        sync_folder(Path(output_dir))
        self.accelerator.wait_for_everyone()

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if self.average is not None and checkpoint is not None:
            self.average.load(Path(checkpoint))
