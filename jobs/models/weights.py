"""Weight files of a model folder: safetensors only, the index respected, and fingerprints of tensors."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


class TensorFolder:
    """The tensors of a model folder, read from disk when asked for and not before."""

    def __init__(self, folder: Path):
        """Opens the files' headers. Raises: ModelError."""
        self._opened: dict[str, Any] = {}
        for file in weight_files(folder):
            try:
                opened = safe_open(file, framework="pt")
            except (SafetensorError, OSError) as error:
                raise ModelError(f"{file} is broken: {error}. Copy it again.") from None
            self._opened |= dict.fromkeys(opened.keys(), opened)
        self.names: list[str] = list(self._opened)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._opened[name].get_slice(name).get_shape())

    def dtype(self, name: str) -> torch.dtype:
        """Raises: ModelError for a number format that torch has not."""
        kind = self._opened[name].get_slice(name).get_dtype()
        if kind not in DTYPES:
            raise ModelError(f"{name} has the number format {kind}, which cannot be read here.")
        return DTYPES[kind]

    def read(self, name: str, index: tuple[int | slice, ...] = ()) -> Tensor:
        """A tensor, or the part of it at `index`; nothing else is read."""
        return self._opened[name].get_slice(name)[index or ...]


def fingerprints(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """SHA-256 of each tensor's type, shape and bytes."""
    return {name: fingerprint(tensor) for name, tensor in tensors.items()}


def fingerprint(tensor: Tensor) -> str:
    data = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(f"{data.dtype} {list(data.shape)}".encode())
    digest.update(data.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
