"""Weight files of a model folder: safetensors only, the index respected, and fingerprints of tensors."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from jobs.protocol.errors import ModelError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
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
    names: set[str] = set()
    for file in weight_files(folder):
        with _opened(file) as tensors:
            names.update(tensors.keys())
    return names


def read_tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Every tensor by name, one at a time. Raises: ModelError."""
    for file in weight_files(folder):
        with _opened(file) as tensors:
            for name in tensors.keys():  # noqa: SIM118 - a safetensors file is no dict
                yield name, tensors.get_tensor(name)


def _opened(file: Path) -> safe_open:
    try:
        return safe_open(file, framework="pt")
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{file} is broken: {error}. Copy it again.") from None


def fingerprints(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """SHA-256 of each tensor's type, shape and bytes."""
    return {name: fingerprint(tensor) for name, tensor in tensors.items()}


def fingerprint(tensor: Tensor) -> str:
    data = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(f"{data.dtype} {list(data.shape)}".encode())
    digest.update(data.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
