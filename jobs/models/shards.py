"""Writing safetensors files one tensor at a time, so that no more than one is in memory.

The format (huggingface/safetensors, README, section Format): 8 bytes little-endian length of the header, the
header as JSON (padded with spaces to 8 bytes), then the tensors' bytes without gaps.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jobs.models.weights import DTYPES, INDEX, SINGLE
from jobs.protocol.folder import write_json

SHARD_BYTES = 4 * 2**30
NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Entry:
    """A tensor that is going to be written."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """In bytes."""
        return prod(self.shape) * self.dtype.itemsize


def write_shards(
    folder: Path,
    entries: Iterable[Entry],
    read: Callable[[str], Tensor],
    report: Callable[[float], None] = lambda _: None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write model.safetensors, or shards with their index.

    `read(name)` gives a tensor; the last one is let go before the next is asked for. `report` gets the share
    done.
    """
    shards = list(_split(entries, shard_bytes))
    total = sum(entry.size for shard in shards for entry in shard)
    written = 0
    files: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        file = SINGLE if len(shards) == 1 else f"model-{number:05}-of-{len(shards):05}.safetensors"
        for entry in _write_file(folder / file, shard, read):
            files[entry.name] = file
            written += entry.size
            report(written / max(total, 1))
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(files.items()))}
        write_json(folder / INDEX, index)


def _split(entries: Iterable[Entry], limit: int) -> Iterator[list[Entry]]:
    shard: list[Entry] = []
    size = 0
    for entry in entries:
        if shard and size + entry.size > limit:
            yield shard
            shard, size = [], 0
        shard.append(entry)
        size += entry.size
    yield shard


def _write_file(file: Path, entries: list[Entry], read: Callable[[str], Tensor]) -> Iterator[Entry]:
    """Yields after each tensor that was written."""
    # wide types first: every tensor then starts at a multiple of its width
    ordered = sorted(entries, key=lambda entry: -entry.dtype.itemsize)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for entry in ordered:
        place = [start, start + entry.size]
        header[entry.name] = {
            "dtype": NAMES[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": place,
        }
        start = place[1]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(file, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for entry in ordered:
            tensor = read(entry.name).contiguous()
            if tuple(tensor.shape) != entry.shape or tensor.dtype != entry.dtype:
                raise ValueError(f"{entry.name} is {tensor.dtype} {tuple(tensor.shape)}, announced {entry}")
            out.write(tensor.reshape(-1).view(torch.uint8).numpy().data)
            del tensor
            yield entry
