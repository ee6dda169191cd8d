"""What the studio itself costs: lists, curves, events, a start, and a server at which nobody looks.

`pytest -m benchmark -s tests/benchmarks/test_cost.py` prints figures, each for growing sizes. Goals: 10,000
finished jobs listed in 100 ms, a curve of a million points in 200 ms, events of 50 jobs in 10 % of a core, a
submitted job's process in 1 s, an idle server without a page in 1 % of a core.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert

from backend.curves import fold, read_metrics
from backend.metrics import ingest
from backend.store import Store
from backend.store.tables import jobs, metrics
from jobs.protocol.events import EventWriter
from jobs.protocol.folder import RunFolder
from tests.fakes.browser import PageServer
from tests.fakes.processes import until
from tests.fakes.studio import make_studio, train_spec

pytestmark = pytest.mark.benchmark
ROUNDS = 5
IDLE_SECONDS = 30


def row(job: str, state: str = "succeeded", number: int = 0) -> dict[str, Any]:
    times = {"created_at": number, "queued_at": number}
    told = {"id": job, "kind": "train", "name": "a run", "state": state, "spec": "{}", "device": "cpu"}
    return {**told, "processes": 1, **times}


def median(work: Callable[[], Any]) -> float:
    """Milliseconds, the median of some rounds."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


def test_a_list_of_finished_jobs(tmp_path: Path):
    with make_studio(tmp_path / "home") as studio:
        there = 0
        for count in (100, 1_000, 10_000):
            with studio.store.write() as conn:
                conn.execute(insert(jobs), [row(f"train-{n:05d}", number=n) for n in range(there, count)])
            there = count
            page = median(lambda: studio.jobs.list(limit=200))
            whole = median(lambda n=count: studio.jobs.list(limit=n))
            print(f"\n{count:>7,} finished jobs: the newest 200 in {page:.1f} ms, all in {whole:.1f} ms")


def test_a_curve_of_many_points(tmp_path: Path):
    store = Store(tmp_path / "home")
    for count in (10_000, 100_000, 1_000_000):
        job = f"train-{count}"
        with store.write() as conn:
            conn.execute(insert(jobs).values(row(job, "running") | {"latest": '{"loss": 1.0}'}))
            for start in range(0, count, 50_000):
                steps = range(start, min(start + 50_000, count))
                points = [{"job_id": job, "name": "loss", "step": n, "value": 1 / (1 + n)} for n in steps]
                conn.execute(insert(metrics), points)
                fold(conn, job, ["loss"], list(steps))
        assert len(read_metrics(store, job)["loss"]) > 100
        overview = median(lambda job=job: read_metrics(store, job))
        middle = count // 2
        near = median(lambda job=job, at=middle: read_metrics(store, job, first=at, last=at + 5_000))
        print(f"\n{count:>9,} points: overview in {overview:.1f} ms, 5,000 steps of it in {near:.1f} ms")
    store.close()


def test_events_of_many_running_jobs(tmp_path: Path):
    for count in (10, 50, 100):
        store = Store(tmp_path / f"home-{count}")
        runs = [RunFolder.create(store.home / "runs", "train", train_spec()) for _ in range(count)]
        with store.write() as conn:
            conn.execute(insert(jobs), [row(run.id, "running") for run in runs])
        writers = [EventWriter(run.events, 1) for run in runs]
        used, seconds = 0.0, 10
        for second in range(seconds):  # of each job two points of eight values a second
            for writer in writers:
                for half in range(2):
                    values = {f"value_{n}": float(n) for n in range(8)}
                    writer.write("metrics", step=2 * second + half, values=values)
            began = time.process_time()
            for run in runs:
                ingest(store, run)
            used += time.process_time() - began
        store.close()
        share = 100 * used / seconds
        print(f"\n{count:>4} running jobs, 2 points of 8 values a second: {share:.2f} % of a core")


def test_from_submission_to_a_process(tmp_path: Path):
    with make_studio(tmp_path / "home") as studio:
        studio.start()
        taken = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            job = studio.jobs.submit(train_spec("steps=1")).id
            attempt = RunFolder(studio.runs / job).attempt(1)
            until(attempt.run_json.exists, 30, "a process")
            taken.append(time.perf_counter() - began)
            until(lambda job=job: not studio.jobs.get(job).active, 60, "its end")
    print(f"\nsubmitted to a process that runs: {statistics.median(taken):.2f} s (most {max(taken):.2f} s)")


@pytest.mark.parametrize("kind", ["--headless", "--no-open"], ids=["headless", "page"])
def test_an_idle_server(tmp_path: Path, kind: str):
    server = PageServer(tmp_path / "home", more=[kind])
    try:
        httpx.get(f"{server.url}/api/jobs", timeout=30)
        time.sleep(5)
        share = server.share_of_a_core(IDLE_SECONDS)
    finally:
        server.end()
    print(f"\nidle, {kind}, nobody looks: {share:.2f} % of a core")
