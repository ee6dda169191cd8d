"""A running average of the trained weights, which is what is validated and saved.

MDLM and its kin are published with such weights (kuleshov-group/mdlm models/ema.py, decay 0.9999).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

FILE = "average.safetensors"
UPDATES = "updates"


class Average(TrainerCallback):
    """The average of the parameters that are trained, in float32. It follows each step of the Trainer."""

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.values: dict[str, Tensor] = {}
        self.updates = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if not self.values:  # else they came from a checkpoint
            self.values = {name: p.detach().float().clone() for name, p in self.trained.items()}

    @torch.no_grad()
    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """average <- d average + (1 - d) weights, with d = min(decay, (1 + n) / (10 + n)) at update n: the
        first weights, which are random, are soon forgotten."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, parameter in self.trained.items():
            self.values[name].lerp_(parameter.detach().float(), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the model has the averaged weights."""
        kept = {name: p.detach().clone() for name, p in self.trained.items()}
        self._put(self.values)
        try:
            yield
        finally:
            self._put(kept)

    @torch.no_grad()
    def _put(self, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            self.trained[name].copy_(value)

    def save(self, folder: Path) -> None:
        count = {UPDATES: torch.tensor(self.updates)}
        save_file({**{name: v.contiguous() for name, v in self.values.items()}, **count}, folder / FILE)

    def load(self, folder: Path) -> None:
        found = load_file(folder / FILE)
        self.updates = int(found.pop(UPDATES))
        self.values = {name: found[name].to(p.device) for name, p in self.trained.items()}
