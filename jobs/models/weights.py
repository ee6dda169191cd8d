"""Weight files of a model folder: safetensors only, the index respected, and fingerprints of tensors."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import FileIO
from math import prod
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from jobs.protocol.errors import ModelError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
DTYPES = {
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16},
    **{"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8},
    **{"BOOL": torch.bool, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2},
}
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that make up the model, in the index's order.

    Raises: ModelError where there are none, only pickled ones, or a listed file is missing.
    """
    if (folder / INDEX).is_file():
        names = shard_names(folder / INDEX)
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise ModelError(
                f"{folder} lacks the weight file {missing[0]} that its index lists. Copy it again."
            )
        return [folder / name for name in names]
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if any(True for pattern in PICKLED for _ in folder.glob(pattern)):
        raise ModelError(
            f"{folder} has only pickled weights, which can run any program when they are read. "
            "Convert them to safetensors first."
        )
    raise ModelError(f"{folder} has no weights: no {SINGLE} and no {INDEX}.")


def shard_names(index: Path) -> list[str]:
    """The files that an index lists. Raises: ModelError."""
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError):
        raise ModelError(f"{index} is broken. Copy the model again.") from None


def tensor_names(folder: Path) -> set[str]:
    """Names of all tensors, from the files' headers. Raises: ModelError."""
    return set(TensorFolder(folder).names)


@dataclass(frozen=True)
class Stretch:
    """Where a tensor lies in its file."""

    file: Path
    start: int
    kind: str
    shape: tuple[int, ...]


class TensorFolder:
    """The tensors of a model folder, read from disk when asked for and not before.

    They are read, not mapped: mapped pages would count as this process's memory until the kernel drops them.
    """

    def __init__(self, folder: Path):
        """Reads the files' headers. Raises: ModelError."""
        self._places: dict[str, Stretch] = {}
        for file in weight_files(folder):
            self._places |= _header(file)
        self.names: list[str] = list(self._places)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._places[name].shape

    def dtype(self, name: str) -> torch.dtype:
        """Raises: ModelError for a number format that torch has not."""
        kind = self._places[name].kind
        if kind not in DTYPES:
            raise ModelError(f"{name} has the number format {kind}, which cannot be read here.")
        return DTYPES[kind]

    def read(self, name: str, index: tuple[int | slice, ...] = ()) -> Tensor:
        """A tensor, or the part of it at `index`; nothing else is read.

        All but the last of `index` are ints, a slice has both ends and no step: one stretch of the file.
        """
        place, dtype = self._places[name], self.dtype(name)
        shape, first = place.shape, 0  # what is left to read, and its first number
        for part in index:
            rest = prod(shape[1:])
            start, stop = (part.start, part.stop) if isinstance(part, slice) else (part, part + 1)
            first += start * rest
            shape = (stop - start, *shape[1:]) if isinstance(part, slice) else shape[1:]
        data = torch.empty(shape, dtype=dtype)
        if data.numel():
            with open(place.file, "rb", buffering=0) as file:
                file.seek(place.start + first * dtype.itemsize)
                _fill(memoryview(data.reshape(-1).view(torch.uint8).numpy()), file, place.file)
        return data


def _fill(into: memoryview, file: FileIO, name: Path) -> None:
    """Read until `into` is full: one call gives at most 2 GiB. Raises: ModelError where the file ends."""
    while into:
        got = file.readinto(into)
        if not got:
            raise ModelError(f"{name} is broken: it ends in the middle of a tensor. Copy it again.")
        into = into[got:]


def _header(file: Path) -> dict[str, Stretch]:
    """Where the tensors of a safetensors file lie. Raises: ModelError."""
    try:
        with safe_open(file, framework="pt"):
            pass  # the library checks the header: sizes, gaps, the end of the file
        with open(file, "rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            header = json.loads(opened.read(length))
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{file} is broken: {error}. Copy it again.") from None
    return {
        name: Stretch(file, 8 + length + entry["data_offsets"][0], entry["dtype"], tuple(entry["shape"]))
        for name, entry in header.items()
        if name != "__metadata__"
    }


def fingerprints(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """SHA-256 of each tensor's type, shape and bytes."""
    return {name: fingerprint(tensor) for name, tensor in tensors.items()}


def fingerprint(tensor: Tensor) -> str:
    data = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(f"{data.dtype} {list(data.shape)}".encode())
    digest.update(data.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
