"""Layers compiled by torch.compile, one by one: they are alike, so one is compiled and all use it.

The rest of the model stays as it is, for the loss works inside its head (jobs.diffusion.masked_head).
"""

from collections.abc import Iterator

from torch import nn

from jobs.protocol.errors import ModelError


def layers(model: nn.Module) -> Iterator[nn.Module]:
    """The modules that transformers says must stay in one piece: a decoder's layers."""
    for module in model.modules():
        if type(module).__name__ in (getattr(model, "_no_split_modules", None) or ()):
            yield module


def compile_layers(model: nn.Module, backend: str = "inductor") -> None:
    """Compile every layer in place, at its first call. Raises: ModelError for a model without layers."""
    found = list(layers(model))
    if not found:
        raise ModelError(
            f"{type(model).__name__} has no layers to compile; set optimisation.compile to false."
        )
    for layer in found:
        layer.compile(backend=backend)
