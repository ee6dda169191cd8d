"""Ten requests at once beside ten in a row, on the bundled stories model, through the server's own desk.

`pytest -m benchmark -s tests/benchmarks/test_serving_speed.py` prints the ratio. Goal: at most 0.6.
"""

import statistics
import time
from pathlib import Path

import pytest
import torch

from jobs.programs import device
from jobs.programs.process import Process
from jobs.programs.serving.desk import Desk
from jobs.programs.serving.models import Models
from jobs.protocol import trajectory
from jobs.protocol.folder import RunFolder
from jobs.specs.job import ServeSpec

pytestmark = pytest.mark.benchmark
STORIES = Path(__file__).parents[2] / "assets" / "models" / "stories"
REQUESTS, ROUNDS = 10, 5


@pytest.fixture
def desk(tmp_path):
    device.keep_freed_memory()
    spec = ServeSpec(kind="serve")
    run = RunFolder.create(tmp_path / "runs", "serve", spec.model_dump(mode="json"))
    made = Desk(Process(run, run.new_attempt(), spec), Models(torch.device("cpu"), "auto"))
    made.start()
    yield made
    made.close(10)


def send(desk: Desk, name: str, seed: int) -> None:
    told = [{"role": "user", "content": "Write a story about Mia who finds a lantern."}]
    desk.generate({"request": name, "model": str(STORIES), "messages": told, "seed": seed})


def wait(desk: Desk) -> None:
    while desk.requests():
        time.sleep(0.001)


def answers(desk: Desk, turn: str) -> list[str]:
    names = [f"{turn}-{number}" for number in range(REQUESTS)]
    return [trajectory.read(desk.process.run.sample(name))[-1]["text"] for name in names]


def in_a_row(desk: Desk, turn: str) -> None:
    for number in range(REQUESTS):
        send(desk, f"{turn}-{number}", number)
        wait(desk)


def at_once(desk: Desk, turn: str) -> None:
    for number in range(REQUESTS):
        send(desk, f"{turn}-{number}", number)
    wait(desk)


def test_ten_at_once_beside_ten_in_a_row(desk):
    wall: dict[str, list[float]] = {"row": [], "once": []}
    cpu: dict[str, list[float]] = {"row": [], "once": []}
    for turn in range(ROUNDS + 1):
        for name, way in (("row", in_a_row), ("once", at_once)):
            began, worked = time.perf_counter(), time.process_time()
            way(desk, f"{name}{turn}")
            if turn:  # the first round loads and warms up
                wall[name].append(time.perf_counter() - began)
                cpu[name].append(time.process_time() - worked)
    for kind, figures in (("wall", wall), ("CPU", cpu)):
        row, once = (statistics.median(figures[name]) for name in ("row", "once"))
        least = min(figures["once"]) / min(figures["row"])
        print(
            f"\n{kind} time: ten in a row {row:.2f} s, at once {once:.2f} s, {once / row:.2f} of it "
            f"(shortest of each: {least:.2f})"
        )
    assert answers(desk, "once1") == answers(desk, "row1"), "company must not change an answer"
