"""The models that a server holds in memory; the one unused for longest leaves when room is needed."""

import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import torch

from jobs.models import causal
from jobs.models.checkpoint import Checkpoint, Dtype
from jobs.programs import device
from jobs.protocol.errors import ModelError, ResourceError

ROOM = 1.3  # free memory wanted, as a multiple of the weights
WIDENING = 2.0  # a half precision checkpoint takes this many times its size as float32


@dataclass
class _Held:
    loaded: Checkpoint
    stamp: int  # newest modification time of the folder's files when it was read
    used: float = field(default_factory=time.monotonic)

    @property
    def size(self) -> float:
        """Bytes of its weights."""
        return float(sum(p.numel() * p.element_size() for p in self.loaded.model.parameters()))


class Models:
    """Loads checkpoints on first use. Used by the worker thread alone, but for `names`."""

    def __init__(self, where: torch.device, dtype: Dtype, compile: bool = False):
        self.where = where
        self.dtype = device.inference_dtype(where, dtype)
        self.compile = compile
        self._dtypes: dict[str, Dtype] = {}  # of the models that somebody chose one for
        self._held: OrderedDict[str, _Held] = OrderedDict()

    def names(self) -> list[str]:
        return list(self._held)

    def get(self, path: str, busy: Collection[str] = ()) -> Checkpoint:
        """The checkpoint in `path`, from memory if its files have not changed since. Models that are not
        `busy` leave where room is needed. Raises: ModelError, ResourceError.
        """
        folder = _folder(path)
        stamp = max((f.stat().st_mtime_ns for f in folder.iterdir()), default=0)
        held = self._held.get(path)
        if held is not None and held.stamp == stamp:
            held.used = time.monotonic()
            self._held.move_to_end(path)
            return held.loaded
        self.unload(path)
        dtype = self._dtypes.get(path, self.dtype)
        self._make_room(self._wanted(folder, dtype), folder, busy)
        loaded = self._read(folder, dtype)
        self._held[path] = _Held(loaded, stamp)
        return loaded

    def choose(self, path: str, dtype: Dtype) -> None:
        """Hold a model in another number format from now on."""
        self._dtypes[path] = device.inference_dtype(self.where, dtype)
        self.unload(path)

    def beside(self, path: str, dtype: Dtype, busy: Collection[str]) -> Checkpoint:
        """A model in `dtype`: the one held, if it is that, else another one that is not kept.

        Raises: ModelError, ResourceError.
        """
        held = self._held.get(path)
        if held is not None and held.loaded.model.dtype == getattr(torch, dtype):
            return held.loaded
        folder = _folder(path)
        self._make_room(self._wanted(folder, dtype), folder, {*busy, path})
        return self._read(folder, dtype)

    def fits(self, path: str, busy: Collection[str]) -> bool:
        """Whether a model is held, or can be beside those that are `busy`.

        Raises: ResourceError where it could not be held alone either; ModelError where there is none.
        """
        if path in self._held:
            return True
        dtype = self._dtypes.get(path, self.dtype)
        wanted, free = self._wanted(_folder(path), dtype), free_memory(self.where)
        if free + sum(held.size for held in self._held.values()) < wanted:
            raise _too_big(Path(path), wanted, free)
        return free + sum(held.size for name, held in self._held.items() if name not in busy) >= wanted

    def release(self, seconds: float, busy: Collection[str]) -> None:
        """Unload the models that nobody has asked for in so long."""
        now = time.monotonic()
        for path in [p for p, held in self._held.items() if p not in busy and now - held.used > seconds]:
            self.unload(path)

    def unload(self, path: str) -> bool:
        """Give a model's memory back. False if it was not held."""
        if self._held.pop(path, None) is None:
            return False
        device.give_memory_back(self.where)
        return True

    def _read(self, folder: Path, dtype: Dtype) -> Checkpoint:
        loaded = causal.load_writer(folder, dtype, str(self.where))
        if self.compile:
            loaded.compile()
        return loaded

    def _wanted(self, folder: Path, dtype: Dtype) -> float:
        weights = sum(f.stat().st_size for f in folder.glob("*.safetensors"))
        return weights * (WIDENING if dtype == "float32" else 1.0) * ROOM

    def _make_room(self, wanted: float, folder: Path, busy: Collection[str]) -> None:
        while (free := free_memory(self.where)) < wanted:
            idle = [path for path in self._held if path not in busy]
            if not idle:
                raise _too_big(folder, wanted, free)
            self.unload(idle[0])


def _folder(path: str) -> Path:
    if not Path(path).is_dir():
        raise ModelError(f"There is no model in {path}.")
    return Path(path)


def _too_big(folder: Path, wanted: float, free: float) -> ResourceError:
    return ResourceError(
        f"{folder.name} needs about {wanted / 2**30:.1f} GiB; {free / 2**30:.1f} GiB are free. "
        "Stop other jobs, or serve a smaller model."
    )


def free_memory(where: torch.device) -> float:
    """Bytes that a model could take now: of the GPU, or of main memory."""
    if where.type == "cuda":
        kept = torch.cuda.memory_reserved(where) - torch.cuda.memory_allocated(where)  # by torch, unused
        return float(torch.cuda.mem_get_info(where)[0] + kept)
    with open("/proc/meminfo") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
    return float("inf")
