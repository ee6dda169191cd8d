"""Reading a folder through a layout, and arranging a stock model's tensors into another one."""

import re
from collections.abc import Collection
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from jobs.models.classes import model_class
from jobs.models.families import Family
from jobs.models.layout import Layout, Place, Shape, Stored, arrange, atoms, expert_layout, expert_place
from jobs.models.weights import TensorFolder
from jobs.protocol.errors import ModelError

COMPUTED = re.compile(r"rotary_emb\.inv_freq$|\.attn\.(masked_)?bias$")
"""Tables that older code stored beside the weights; the stock classes compute them."""


class Skeleton:
    """A stock model without weights: its atoms' shapes, and which of them are tied."""

    def __init__(self, config: PreTrainedConfig):
        self.config = config
        with torch.device("meta"):
            self.model: PreTrainedModel = model_class(config)(config)
        self.shapes: dict[str, Shape] = {
            name: tuple(tensor.shape) for name, tensor in atoms(self.model).items()
        }
        self.tied: dict[str, str] = dict(getattr(self.model, "all_tied_weights_keys", None) or {})

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())


def stock_layout(layout: str) -> Layout:
    """Our own folders: transformers' names, the experts in one of the three layouts."""
    return lambda atom, shape: expert_place(Place(atom), shape, layout)


def layout_for(family: Family | None, config: PreTrainedConfig, layout: str) -> Layout:
    """A family's layout, or our own folders' (family None). Raises: ModelError."""
    known = family.layouts if family is not None else ("separate", "merged", "fused")
    if layout not in known:
        title = family.title if family is not None else "the studio"
        raise ModelError(f"{title} has no layout {layout!r}; it has {', '.join(known)}.")
    if family is None:
        return stock_layout(layout)
    return lambda atom, shape: family.place(atom, shape, config, layout)


class Source:
    """A folder's tensors, atom by atom."""

    def __init__(self, folder: Path, config: PreTrainedConfig, family: Family | None):
        """Checks names and shapes against the config. Raises: ModelError naming what does not fit."""
        self.folder = folder
        self.skeleton = Skeleton(config)
        self.tensors = TensorFolder(folder)
        names = self.tensors.names
        self.layout = family.layout_of(names) if family is not None else expert_layout(names)
        place = layout_for(family, config, self.layout)
        self.stored = arrange(self.skeleton.shapes, place)
        self._rename_tied(place)
        self._check(family.ignored if family is not None else None)
        self.places = {
            atom: Place(stored.name, index) for stored in self.stored.values() for atom, index in stored.parts
        }

    def read(self, atom: str) -> Tensor:
        place = self.places[atom]
        return self.tensors.read(place.name, place.index)

    def dtype(self, atom: str) -> torch.dtype:
        return self.tensors.dtype(self.places[atom].name)

    def main_dtype(self) -> torch.dtype:
        """The number format of the largest tensor."""
        largest = max(self.stored.values(), key=lambda stored: torch.Size(stored.shape).numel())
        return self.tensors.dtype(largest.name)

    def _rename_tied(self, place: Layout) -> None:
        """Of two names of one tied matrix a folder may hold either, or both if they are equal."""
        for other, kept in self.skeleton.tied.items():
            shape = self.skeleton.shapes[kept]
            here, there = place(kept, shape).name, place(other, shape).name
            held = set(self.tensors.names)
            if there not in held:
                continue
            if here in held:
                if not torch.equal(self.tensors.read(here), self.tensors.read(there)):
                    raise ModelError(f"{self.folder}: {here} and {there} differ, but config.json ties them.")
                self.stored[there] = Stored(there, [], shape)
            else:
                self.stored[here].name = there

    def _check(self, ignored: re.Pattern[str] | None) -> None:
        wanted = {stored.name: stored.shape for stored in self.stored.values()}
        held = {name for name in self.tensors.names if not COMPUTED.search(name)}
        if ignored is not None:
            held = {name for name in held if not ignored.search(name)}
        complain(self.folder, "lack", wanted.keys() - held)
        complain(self.folder, "have unexpected", held - wanted.keys())
        for name, shape in wanted.items():
            if self.tensors.shape(name) != shape:
                raise ModelError(
                    f"{self.folder}: {name} is {self.tensors.shape(name)}, but config.json asks for {shape}."
                )


def complain(folder: Path, what: str, names: Collection[str]) -> None:
    """Raises: ModelError if there are names to complain of."""
    if names:
        some = sorted(names)
        rest = f" and {len(some) - 5} more" if len(some) > 5 else ""
        raise ModelError(f"the weights in {folder} {what} {', '.join(some[:5])}{rest}.")


class Part:
    """An atom that transformers reads while it fills the model (it asks every tensor for `[...]`)."""

    def __init__(self, source: Source, atom: str):
        self.source, self.atom = source, atom

    def __getitem__(self, index: object) -> Tensor:
        return self.source.read(self.atom)


def lazily(source: Source) -> dict[str, Part]:
    """A state dict for from_pretrained that holds nothing yet."""
    return {atom: Part(source, atom) for atom in source.places}
