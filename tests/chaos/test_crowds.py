"""Many jobs, and many who submit at the same moment."""

import subprocess
import sys
import time
from collections import Counter

import pytest

from backend.reconciler import Reconciler
from backend.scheduler import Scheduler
from jobs.executors import InlineExecutor
from jobs.launch import source_root
from jobs.protocol.folder import write_json
from jobs.protocol.states import State
from tests.fakes.studio import make_studio, train_spec

pytestmark = pytest.mark.chaos
PROCESSES, EACH, MANY = 20, 5, 1000


@pytest.fixture
def studio(studio_home):
    """Jobs are function calls; `.ran` counts them."""

    def train(run, attempt):
        studio.ran[run.id] += 1
        write_json(run.result_json, {"attempt": attempt.number, "status": "succeeded"})
        return 0

    with make_studio(studio_home, executor=InlineExecutor({"train": train}), cpu=8) as studio:
        studio.ran = Counter()
        yield studio


def run_all(studio, count):
    """Schedule and reconcile until `count` jobs have succeeded; each ran once."""
    scheduler = Scheduler(studio.store, studio.runs, studio.executor)
    reconciler = Reconciler(studio.store, studio.runs, studio.executor)
    while scheduler.tick():
        reconciler.tick()
    found = studio.jobs.list(limit=2 * count)
    assert Counter(job.state for job in found) == {State.SUCCEEDED: count}
    assert Counter(studio.ran.values()) == {1: count}
    assert all(device["job"] is None for device in studio.jobs.devices())


def test_a_hundred_jobs_of_twenty_processes_at_the_same_moment(studio):
    argv = [sys.executable, "-m", "tests.fakes.submitter", str(studio.home), str(EACH)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(argv, cwd=source_root(), **pipes) for _ in range(PROCESSES)]
    assert all(process.stdout.readline() == "ready\n" for process in processes)
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=120)[0].split() for process in processes]
    ids = [job_id for output in outputs for job_id in output]
    assert [process.returncode for process in processes] == [0] * PROCESSES
    assert len(ids) == len(set(ids)) == PROCESSES * EACH
    assert sorted(ids) == sorted(path.name for path in studio.runs.glob("train-*"))
    run_all(studio, PROCESSES * EACH)


def test_a_thousand_queued_jobs(studio):
    began = time.monotonic()
    for _ in range(MANY):
        studio.jobs.submit(train_spec("steps=1"))
    queued = time.monotonic()
    assert len(studio.jobs.list(limit=MANY)) == MANY
    listed = time.monotonic()
    run_all(studio, MANY)
    spent = [queued - began, listed - queued, time.monotonic() - listed]
    print("submit {:.1f} s, list {:.2f} s, run {:.1f} s".format(*spent))
