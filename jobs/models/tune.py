"""A loaded model made ready for a training: which of its weights are trained, and how they are held."""

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from jobs.models import adapters
from jobs.models.checkpoint import Checkpoint
from jobs.models.expand import expand
from jobs.models.freeze import freeze, frozen_names
from jobs.models.layers import decoder_layers, named_modules
from jobs.models.quantize import quantize
from jobs.protocol.errors import SpecError
from jobs.specs.tuning import TuningSpec


def tune(loaded: Checkpoint, tuning: TuningSpec, device: torch.device, seed: int = 0) -> Any:
    """The model of a checkpoint as `tuning` says; with LoRA inside peft's wrapper, its matrices from `seed`.

    Raises: SpecError for names, layers or a method that do not fit the model.
    """
    model, frozen = loaded.model, frozen_names(loaded.config, tuning.freeze)
    if tuning.method == "lora":
        freeze(model, frozen)
        if tuning.quantize != "none":
            quantize(model, device, tuning.whole_modules)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return adapters.add_lora(model, tuning, frozen, loaded.config.family)
    if tuning.method != "full":
        chosen = (
            expand(model, tuning.layers) if tuning.method == "expand" else some_layers(model, tuning.layers)
        )
        train_only(model, [*chosen, *named_modules(model, tuning.whole_modules)])
    freeze(model, frozen)
    return model


def some_layers(model: PreTrainedModel, count: int) -> list[nn.Module]:
    """The last `count` layers, or with a minus the first. Raises: SpecError where there are not so many."""
    layers = decoder_layers(model)
    if abs(count) > len(layers):
        raise SpecError(f"tuning.layers: the model has {len(layers)} layers, not {abs(count)}.")
    if count == 0:
        return []
    return list(layers[-count:] if count > 0 else layers[:-count])


def train_only(model: nn.Module, modules: list[nn.Module]) -> None:
    """Train the weights inside these modules and no others. A weight that two modules share is trained."""
    model.requires_grad_(False)
    for module in modules:
        module.requires_grad_(True)
