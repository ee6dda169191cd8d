"""A Studio for tests: the fake trainer, names left as they are, two CPU slots whatever the machine."""

import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from backend.devices import Device
from backend.store.engine import Store, prepare_home
from backend.studio import Studio
from jobs.executors import LocalExecutor
from jobs.protocol.folder import RunFolder
from jobs.specs.job import JobSpec

PROGRAMS = {"train": "tests.fakes.trainer"}


class LightExecutor(LocalExecutor):
    """With a torchrun that needs no torch, unless the spec's name holds real=1."""

    def command(
        self, spec: JobSpec, run: RunFolder, devices: Sequence[str] = (), port: int | None = None
    ) -> list[str]:
        argv = super().command(spec, run, devices, port)
        if "real=1" in spec.name.split():
            return argv
        return ["tests.fakes.torchrun" if word == "torch.distributed.run" else word for word in argv]


def slots(cpu: int = 2, cuda: int = 0):
    """A census function."""
    found = [Device(f"cuda:{i}", "cuda", f"GPU {i}") for i in range(cuda)]
    found += [Device(f"cpu:{i}", "cpu", f"slot {i}") for i in range(cpu)]
    return lambda: found


@cache
def empty_database() -> bytes:
    """A new database; to copy it takes a tenth of the time of making it."""
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder)).write() as conn:
        return conn.connection.dbapi_connection.serialize()


def make_studio(home: Path, executor: Any = None, cpu: int = 2, cuda: int = 0) -> Studio:
    executor = executor or LocalExecutor(PROGRAMS)
    if not (home / "studio.db").exists():
        prepare_home(home)
        (home / "studio.db").write_bytes(empty_database())
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


def job_row(job_id: str, **columns: Any) -> dict[str, Any]:
    """A row of the table of jobs, for lists that no folders stand behind: a training that succeeded, unless
    `columns` say otherwise."""
    made = columns.get("created_at", 0.0)
    told = {
        "id": job_id,
        "kind": "train",
        "name": "a run",
        "state": "succeeded",
        "spec": "{}",
        "device": "cpu",
    }
    return {**told, "processes": 1, "created_at": made, "queued_at": made, **columns}
