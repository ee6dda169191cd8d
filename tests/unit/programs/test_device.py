"""Threads by the work there is, and a C library that has no switches for its memory."""

from types import SimpleNamespace

import pytest
import torch

from jobs.programs import device


@pytest.fixture
def threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    before = torch.get_num_threads()
    yield torch.get_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("size", "tokens", "expected"),
    [
        (1_000_000, 0, 1),
        (1_000_000, 900, 1),
        (1_000_000, 1100, 3),  # a batch of many canvases
        (30_000_000, 0, 3),
    ],
)
def test_a_small_models_short_pass_has_one_thread(threads, size, tokens, expected):
    device.use_threads_for(size, tokens)
    assert threads() == expected


def test_a_models_size_is_counted():
    assert device.parameters(torch.nn.Linear(3, 4)) == 16


def test_another_c_library_is_left_alone(monkeypatch):
    asked = []
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: asked.append(name) or SimpleNamespace())
    device.keep_freed_memory()
    device.give_memory_back(torch.device("cpu"))
    assert asked == [None, None]


def test_glibc_takes_the_thresholds(monkeypatch):
    told = {}
    libc = SimpleNamespace(mallopt=told.__setitem__)
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: libc)
    device.keep_freed_memory()
    assert told == {device.M_MMAP_THRESHOLD: 2**25, device.M_TRIM_THRESHOLD: 2**29}
