"""The models that a server holds in memory; the one unused for longest leaves when room is needed."""

import gc
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from jobs.models import checkpoint
from jobs.models.checkpoint import Dtype
from jobs.programs import device
from jobs.protocol.errors import ModelError, ResourceError

ROOM = 1.3  # free memory wanted, as a multiple of the weights
WIDENING = 2.0  # a half precision checkpoint takes this many times its size as float32


@dataclass(frozen=True)
class _Held:
    loaded: Any
    stamp: int  # newest modification time of the folder's files when it was read


class Models:
    """Loads checkpoints on first use. Used by the worker thread alone, but for `names`."""

    def __init__(self, where: torch.device, dtype: Dtype):
        self.where = where
        self.dtype = device.inference_dtype(where, dtype)
        self._held: OrderedDict[str, _Held] = OrderedDict()

    def names(self) -> list[str]:
        return list(self._held)

    def get(self, path: str) -> Any:
        """The checkpoint in `path`, from memory if its files have not changed since.

        Raises: ModelError, ResourceError.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise ModelError(f"There is no model in {path}.")
        stamp = max((f.stat().st_mtime_ns for f in folder.iterdir()), default=0)
        held = self._held.get(path)
        if held is not None and held.stamp == stamp:
            self._held.move_to_end(path)
            return held.loaded
        self.unload(path)
        self._make_room(folder)
        loaded = checkpoint.load(folder, dtype=self.dtype, device=str(self.where))
        self._held[path] = _Held(loaded, stamp)
        return loaded

    def unload(self, path: str) -> bool:
        """Give a model's memory back. False if it was not held."""
        if self._held.pop(path, None) is None:
            return False
        gc.collect()
        if self.where.type == "cuda":
            torch.cuda.empty_cache()
        return True

    def _make_room(self, folder: Path) -> None:
        weights = sum(f.stat().st_size for f in folder.glob("*.safetensors"))
        widening = WIDENING if self.dtype == "float32" else 1.0
        wanted = weights * widening * ROOM
        while (free := free_memory(self.where)) < wanted:
            if not self._held:
                raise ResourceError(
                    f"{folder.name} needs about {wanted / 2**30:.1f} GiB; {free / 2**30:.1f} GiB are free. "
                    "Stop other jobs, or serve a smaller model."
                )
            self.unload(next(iter(self._held)))


def free_memory(where: torch.device) -> float:
    """Bytes that a model could take now: of the GPU, or of main memory."""
    if where.type == "cuda":
        return float(torch.cuda.mem_get_info(where)[0])
    with open("/proc/meminfo") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
    return float("inf")
