"""A Studio for tests: the fake trainer, names left as they are, two CPU slots whatever the machine."""

from pathlib import Path
from typing import Any

from backend.devices import Device
from backend.studio import Studio
from jobs.executors import LocalExecutor

PROGRAMS = {"train": "tests.fakes.trainer"}


def slots(cpu: int = 2, cuda: int = 0):
    """A census function."""
    found = [Device(f"cuda:{i}", "cuda", f"GPU {i}") for i in range(cuda)]
    found += [Device(f"cpu:{i}", "cpu", f"slot {i}") for i in range(cpu)]
    return lambda: found


def make_studio(home: Path, executor: Any = None, cpu: int = 2, cuda: int = 0) -> Studio:
    executor = executor or LocalExecutor(PROGRAMS)
    return Studio(home, executor=executor, resolve=lambda spec: spec, census=slots(cpu, cuda))


def train_spec(
    name: str = "",
    priority: int = 0,
    launcher: str = "python",
    queue: dict[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """A train spec as a dict; `name` tells the fake trainer what to do, `options` are the launcher's."""
    return {
        "kind": "train",
        "name": name,
        "priority": priority,
        "launcher": {"name": launcher, **options},
        "queue": queue or {},
        "model": {"path": "/models/x"},
        "data": {"path": "/data/x.jsonl"},
    }


def serve_spec() -> dict[str, Any]:
    return {"kind": "serve"}
