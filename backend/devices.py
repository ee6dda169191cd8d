"""The devices of this machine as rows that jobs lease: one a GPU, and CPU slots."""

import os
from dataclasses import dataclass

import pynvml
from sqlalchemy import select, update
from sqlalchemy.dialects.sqlite import insert

from backend.store import Store
from backend.store.tables import devices

MINIMUM_CPU_SLOTS = 2  # so that data parallel can be tried on the smallest machine


@dataclass(frozen=True)
class Device:
    """One thing that a process of a job needs. id: "cuda:<index in PCI order>" or "cpu:<slot>"."""

    id: str
    kind: str
    label: str


def census() -> list[Device]:
    """GPUs by NVML (none without a driver), then one CPU slot a core that we may use, but at least two."""
    slots = max(MINIMUM_CPU_SLOTS, len(os.sched_getaffinity(0)))
    return [*gpus(), *(Device(f"cpu:{i}", "cpu", f"CPU slot {i + 1} of {slots}") for i in range(slots))]


def gpus() -> list[Device]:
    """The GPUs that we may use: all, or those that our own CUDA_VISIBLE_DEVICES names by number or UUID."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        found = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            memory = int(pynvml.nvmlDeviceGetMemoryInfo(handle).total) / 2**30
            name, uuid = str(pynvml.nvmlDeviceGetName(handle)), str(pynvml.nvmlDeviceGetUUID(handle))
            if _visible(index, uuid):
                found.append(Device(f"cuda:{index}", "cuda", f"{name}, {memory:.0f} GiB ({uuid[:12]})"))
        return found
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


def _visible(index: int, uuid: str) -> bool:
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return True
    return any(n == str(index) or (n and uuid.startswith(n)) for n in map(str.strip, named.split(",")))


def recorded(store: Store) -> bool:
    """Whether any process has taken the census of this home yet."""
    with store.read() as conn:
        return conn.execute(select(devices.c.id).limit(1)).first() is not None


def record(store: Store, found: list[Device]) -> None:
    """Make the rows say what is there now. A device that went away keeps its row while a job leases it."""
    with store.read() as conn:
        rows = conn.execute(select(devices.c.id, devices.c.kind, devices.c.label, devices.c.present)).all()
    known = {(row.id, row.kind, row.label) for row in rows if row.present}
    if known == {(d.id, d.kind, d.label) for d in found}:
        return
    with store.write() as conn:
        conn.execute(update(devices).values(present=0))
        for position, device in enumerate(found):
            values = {"kind": device.kind, "label": device.label, "position": position, "present": 1}
            row = insert(devices).values(id=device.id, **values)
            conn.execute(row.on_conflict_do_update(index_elements=["id"], set_=values))
