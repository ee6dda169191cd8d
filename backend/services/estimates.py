"""Whether a training fits this machine and how long it takes, before it starts."""

import json
import os
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, ConfigDict

from backend.services.models import ModelService
from jobs.protocol.errors import ModelError, ResourceError
from jobs.specs.estimate import GIB, Estimate, estimate
from jobs.specs.gpus import peak_of
from jobs.specs.job import JobSpec, TrainSpec
from jobs.specs.less_memory import less_memory
from jobs.specs.sizes import DEBUG, Sizes, sizes_of

CHARACTERS = "characters:"
SPECIAL = 3  # tokens of a character tokenizer beside its characters
IN_LABEL = re.compile(r", (\d+) GiB \(")
OVERRIDE = "launcher.check_memory: false starts it all the same."
UTILISATION = 0.35
"""What of a GPU's peak a training reaches, as a rule (Chowdhery et al. 2022, arXiv 2204.02311, table 3:
21 to 46 %)."""
FP32 = 1 / 8
"""How fast a GPU is in float32 against bf16, roughly."""
CORE = 2.5e10
"""Operations a second of a CPU core in float32, the lower end of what was measured here."""


class Need(BaseModel):
    """What a training needs and what there is, as far as it is known. Bytes, seconds."""

    model_config = ConfigDict(frozen=True)

    values: int
    """Numbers in the model."""
    trained: int
    """Those that are trained."""
    device: dict[str, int]
    """On each device, by what for."""
    machine: int
    """In main memory beside that."""
    device_has: int | None
    """Memory of the smallest device that could be chosen; None: unknown."""
    machine_has: int
    """Main memory."""
    seconds: float | None
    """Of all steps; None: the device's speed is unknown."""
    lines: list[tuple[str, str]]
    """The same for people: label and figure."""
    problem: str = ""
    """Why it cannot fit, and what to change."""


class EstimateService:
    """Estimates of trainings on this machine."""

    def __init__(self, models: ModelService, devices: Callable[[], list[dict[str, Any]]]):
        self.models, self._devices = models, devices

    def need(self, spec: JobSpec) -> Need | None:
        """The estimate for a resolved spec; None for other jobs, models whose sizes are not
        known, and a cluster, whose devices are not."""
        if not isinstance(spec, TrainSpec) or spec.slurm is not None:
            return None
        sizes, values = self.sizes(spec)
        if sizes is None:
            return None
        gpus = self._gpus(spec)
        found = estimate(spec, sizes, values, on_gpu=gpus is not None)
        seconds = found.seconds(spec.optimisation.steps, speed) if (speed := _speed(spec, gpus)) else None
        machine_has = psutil.virtual_memory().total
        has = min((memory for _, memory in gpus), default=None) if gpus is not None else machine_has
        machine = found.machine if gpus is not None else found.on_device * spec.launcher.processes
        short = _short(found.on_device, has, "each GPU") if gpus is not None else ""
        short = short or _short(machine, machine_has, "this machine in main memory")
        problem = f"{short} {less_memory(spec)} {OVERRIDE}" if short else ""
        return Need(
            values=found.values,
            trained=found.trained,
            device=found.device,
            machine=machine,
            device_has=has,
            machine_has=machine_has,
            seconds=seconds,
            lines=_lines(found, has, seconds),
            problem=problem if spec.launcher.check_memory else "",
        )

    def refuse(self, spec: JobSpec) -> None:
        """Raises: ResourceError for a training that cannot fit."""
        need = self.need(spec)
        if need is not None and need.problem:
            raise ResourceError(need.problem)

    def sizes(self, spec: TrainSpec) -> tuple[Sizes | None, int | None]:
        """(sizes, exact number of values where the weights are there)."""
        new = spec.model.new
        if new is not None:
            told = {"vocab_size": _vocabulary(new.tokenizer), "model_type": new.architecture or new.family}
            return sizes_of({**told, **new.config}, DEBUG if new.family else None), None
        folder = Path(str(spec.model.path))
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            return sizes_of(config), self.models.get(str(folder)).parameters
        except (OSError, ValueError, ModelError):
            return None, None

    def _gpus(self, spec: TrainSpec) -> list[tuple[str, int]] | None:
        """(name, bytes) of the GPUs that the job may get; empty where they are elsewhere; None on a CPU."""
        labels = [d["label"] for d in self._devices() if d["kind"] == "cuda"]
        if spec.launcher.device == "cpu" or (spec.launcher.device == "auto" and not labels):
            return None
        found = [(label, IN_LABEL.search(label)) for label in labels]
        return [(label, int(match[1]) * GIB) for label, match in found if match]


def _vocabulary(tokenizer: str) -> int | None:
    if tokenizer.startswith(CHARACTERS):
        return len(tokenizer.removeprefix(CHARACTERS)) + SPECIAL
    file = Path(tokenizer) / "tokenizer.json"
    return _tokens(file, file.stat().st_mtime_ns) if file.is_file() else None


@lru_cache(maxsize=16)
def _tokens(file: Path, stamp: int) -> int | None:
    """Tokens of a tokenizer.json; `stamp` makes a changed file be read again."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return len({*data["model"]["vocab"], *(token["content"] for token in data["added_tokens"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _speed(spec: TrainSpec, gpus: list[tuple[str, int]] | None) -> float | None:
    """Operations a second of all processes together; None if unknown."""
    launcher = spec.launcher
    several = launcher.processes * max(1, len(launcher.hosts))
    if gpus is None:
        cores = len(os.sched_getaffinity(0))
        threads = launcher.threads or max(1, cores // launcher.processes)
        return CORE * min(threads * launcher.processes, cores) * max(1, len(launcher.hosts))
    peaks = [peak for label, _ in gpus if (peak := peak_of(label)) is not None]
    width = 1 if spec.optimisation.precision == "bf16" else FP32
    return min(peaks) * UTILISATION * width * several if peaks else None


def _short(wanted: int, there: int | None, where: str) -> str:
    if there is None or wanted <= there:
        return ""
    return f"By estimate it needs {size(wanted)} and {where} has {size(there)}."


def _lines(found: Estimate, has: int | None, seconds: float | None) -> list[tuple[str, str]]:
    there = f" of {size(has)}" if has is not None else ""
    parts = sorted(found.device.items(), key=lambda part: -part[1])
    lines = [
        ("Weights, of these trained", f"{count(found.values)}, {count(found.trained)}"),
        ("Memory on each device, about", f"{size(found.on_device)}{there}"),
        ("Most of it", ", ".join(f"{name} {size(bytes)}" for name, bytes in parts[:3])),
    ]
    if found.machine:
        lines.append(("In main memory of each machine", size(found.machine)))
    lines.append(("Operations a step", f"{found.operations:.2g}"))
    return [*lines, ("Time, about", "unknown; measure it" if seconds is None else duration(seconds))]


def size(number: int) -> str:
    """Bytes for people."""
    return f"{number / GIB:.1f} GiB" if number >= GIB else f"{number / 2**20:.0f} MiB"


def count(number: int) -> str:
    """A number of values for people."""
    for unit, scale in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return str(number)


def duration(seconds: float) -> str:
    """Time for people."""
    for unit, scale in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * scale:
            return f"{seconds / scale:.{0 if seconds >= 10 * scale else 1}f} {unit}"
    return f"{max(1, seconds):.0f} seconds"
