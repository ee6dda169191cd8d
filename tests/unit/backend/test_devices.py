"""The census of devices."""

import pytest

from backend import devices
from backend.store import Store
from tests.fakes.studio import make_studio, slots


def test_without_a_driver_there_are_no_gpus(monkeypatch):
    def none():
        raise devices.pynvml.NVMLError(12)

    monkeypatch.setattr(devices.pynvml, "nvmlInit", none)
    assert devices.gpus() == []
    found = devices.census()
    assert len(found) >= 2 and {d.kind for d in found} == {"cpu"}
    assert len({d.id for d in found}) == len(found)


@pytest.fixture
def two_gpus(monkeypatch):
    class Memory:
        total = 80 * 2**30

    nvml = devices.pynvml
    monkeypatch.setattr(nvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(nvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(nvml, "nvmlDeviceGetCount", lambda: 2)
    monkeypatch.setattr(nvml, "nvmlDeviceGetHandleByIndex", lambda i: i)
    monkeypatch.setattr(nvml, "nvmlDeviceGetName", lambda h: "NVIDIA H100")
    monkeypatch.setattr(nvml, "nvmlDeviceGetUUID", lambda h: f"GPU-{h}aaaaaaa-bbbb")
    monkeypatch.setattr(nvml, "nvmlDeviceGetMemoryInfo", lambda h: Memory)


@pytest.mark.parametrize(
    ("visible", "ids"),
    [
        (None, ["cuda:0", "cuda:1"]),
        ("1", ["cuda:1"]),
        ("GPU-0aaaaaaa-bbbb", ["cuda:0"]),
        ("1, 0", ["cuda:0", "cuda:1"]),
        ("", []),
    ],
)
def test_gpus_by_nvml_as_far_as_we_may_see_them(two_gpus, monkeypatch, visible, ids):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = devices.gpus()
    assert [d.id for d in found] == ids
    assert all(d.label.startswith("NVIDIA H100, 80 GiB") for d in found)


def test_rows_follow_the_machine(tmp_path):
    store = Store(tmp_path)
    devices.record(store, slots(2, 1)())
    devices.record(store, slots(2)())
    store.close()
    with make_studio(tmp_path) as studio:
        assert [d["id"] for d in studio.jobs.devices()] == ["cpu:0", "cpu:1"]
        assert studio.jobs.devices()[0] == {"id": "cpu:0", "label": "slot 0", "kind": "cpu", "job": None}
