"""Where tensors stand: in a stock model, in its official format, and in the three layouts of experts.

The unit is the *atom*: a tensor of the stock model as transformers writes it, one matrix an expert. A layout
says for each atom which stored tensor holds it and where in it. Everything else follows from that: what is
missing or left over, reading an atom (a slice), writing a stored tensor (its atoms put together).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

Index = tuple[int | slice, ...]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """A stored tensor, and the part of it that an atom is."""

    name: str
    index: Index = ()


Layout = Callable[[str, Shape], Place]

SEPARATE, MERGED, FUSED = EXPERT_LAYOUTS = ("separate", "merged", "fused")
EXPERT = re.compile(r"^(.*\.mlp\.experts)\.(\d+)\.(gate|up|down)_proj\.weight$")
FUSED_HERE = re.compile(r"^(.*\.mlp\.experts)\.(gate_up|down)_proj$")


def expert_place(place: Place, shape: Shape, layout: str) -> Place:
    """The place of an expert's matrix [out, in], given where the separate layout has it.

    separate: `experts.E.gate_proj.weight`, as on the Hub. merged: `experts.gate_proj` [E, out, in] and so on,
    as in VeOmni (dFactory's scripts/moe_convertor.py). fused: `experts.gate_up_proj` [E, 2 out, in], gate
    above up, as transformers holds it in memory.
    """
    found = EXPERT.match(place.name)
    if layout == SEPARATE or not found:
        return place
    root, expert, kind = found[1], int(found[2]), found[3]
    if layout == MERGED or kind == "down":
        return Place(f"{root}.{kind}_proj", (expert,))
    start = 0 if kind == "gate" else shape[0]
    return Place(f"{root}.gate_up_proj", (expert, slice(start, start + shape[0])))


def expert_layout(names: Iterable[str]) -> str:
    """Which of the three the tensors of a folder are in; config.json does not say."""
    for name in names:
        if name.endswith(".mlp.experts.gate_up_proj"):
            return FUSED
        if name.endswith(".mlp.experts.gate_proj"):
            return MERGED
    return SEPARATE


def atoms(model: nn.Module) -> dict[str, Tensor]:
    """The atoms of a stock model (on the meta device too), as views. Tied copies are left out."""
    tied = set(getattr(model, "all_tied_weights_keys", None) or {})
    found: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        stack = FUSED_HERE.match(name)
        if stack and stack[2] == "gate_up":
            for expert, matrix in enumerate(tensor):
                gate, up = matrix.chunk(2)
                found[f"{stack[1]}.{expert}.gate_proj.weight"] = gate
                found[f"{stack[1]}.{expert}.up_proj.weight"] = up
        elif stack:
            found |= {f"{stack[1]}.{e}.down_proj.weight": matrix for e, matrix in enumerate(tensor)}
        elif name not in tied:
            found[name] = tensor
    return found


@dataclass
class Stored:
    """A tensor of a format, and the atoms it is put together from."""

    name: str
    parts: list[tuple[str, Index]] = field(default_factory=list)
    shape: Shape = ()

    def add(self, atom: str, index: Index, shape: Shape) -> None:
        self.parts.append((atom, index))
        ends = tuple(i.stop if isinstance(i, slice) else i + 1 for i in index)
        rest = shape[sum(isinstance(i, slice) for i in index) :]
        self.shape = (*map(max, ends, self.shape or ends), *rest)

    def build(self, read: Callable[[str], Tensor]) -> Tensor:
        """The tensor, from a function that gives its atoms."""
        if self.parts[0][1] == ():
            return read(self.parts[0][0])
        first = read(self.parts[0][0])
        whole = torch.empty(self.shape, dtype=first.dtype)
        for atom, index in self.parts:
            part = read(atom)
            if part.dtype != whole.dtype:
                raise ValueError(f"{atom} is {part.dtype}, others of {self.name} are {whole.dtype}")
            whole[index] = part
        return whole


def arrange(shapes: Mapping[str, Shape], layout: Layout) -> dict[str, Stored]:
    """The stored tensors of a layout that hold these atoms, in the atoms' order."""
    found: dict[str, Stored] = {}
    for atom, shape in shapes.items():
        place = layout(atom, shape)
        found.setdefault(place.name, Stored(place.name)).add(atom, place.index, shape)
    return found
