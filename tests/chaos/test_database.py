"""Another process keeps the database to itself for a while: jobs go on, and nothing is lost or done twice."""

import sqlite3
import threading
import time
from contextlib import contextmanager

import pytest

from backend.store import engine
from jobs.protocol.errors import ResourceError
from jobs.protocol.states import State
from tests.fakes.processes import living, until
from tests.fakes.studio import make_studio, train_spec
from tests.fakes.witness import heard

pytestmark = pytest.mark.chaos


@contextmanager
def locked(home, seconds):
    """A write transaction of somebody else's, for so long from now."""
    held = threading.Event()

    def hold():
        conn = sqlite3.connect(home / "studio.db", isolation_level=None)
        conn.execute("BEGIN IMMEDIATE")
        held.set()
        time.sleep(seconds)
        conn.execute("ROLLBACK")
        conn.close()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    yield
    thread.join()


@pytest.fixture(params=[(30_000, 5), (1_000, 5)], ids=["waited out", "longer than anybody waits"])
def studio(request, studio_home, monkeypatch):
    """Schedules. The database is kept for `.seconds`; `.patient`: everybody waits for it that long."""
    patience, seconds = request.param
    monkeypatch.setattr(engine, "BUSY_MILLISECONDS", patience)
    with make_studio(studio_home) as studio:
        studio.patient, studio.seconds = patience > 1000 * seconds, seconds
        studio.start()
        yield studio
        for job in studio.jobs.list():
            for process in living(studio.jobs.folder(job.id)):
                process.kill()


def test_jobs_go_on_and_each_runs_once(studio):
    job = studio.jobs.submit(train_spec("steps=80 watched=1"))
    until(lambda: (studio.jobs.get(job.id).step or 0) > 5)
    queued = [studio.jobs.submit(train_spec("steps=5 watched=1")).id for _ in range(3)]
    with locked(studio.home, studio.seconds):
        run = studio.jobs.folder(job.id)
        until(run.result_json.exists, 4, "the running job ends while nobody can write that down")
        assert studio.jobs.get(job.id).active
    for job_id in (job.id, *queued):
        assert studio.jobs.wait(job_id, 30).state == State.SUCCEEDED
    assert sorted(t["job"] for t in heard(studio.home)) == sorted([job.id, *queued])
    assert until(lambda: studio.trouble is None, 10) and all(d["job"] is None for d in studio.jobs.devices())


def test_a_stop_reaches_the_job_all_the_same(studio):
    job = studio.jobs.submit(train_spec("steps=100000"))
    until(lambda: (studio.jobs.get(job.id).step or 0) > 5)
    run = studio.jobs.folder(job.id)
    with locked(studio.home, studio.seconds):
        asker = threading.Thread(target=studio.jobs.stop, args=(job.id, 5))
        asker.start()
        until(run.result_json.exists, 4, "the program has saved and left")
        asker.join()
    assert studio.jobs.wait(job.id, 30).state == State.STOPPED


def test_a_submission_comes_through_or_leaves_nothing(studio):
    with locked(studio.home, studio.seconds):
        if studio.patient:
            job = studio.jobs.submit(train_spec("steps=2"))
        else:
            with pytest.raises(ResourceError, match="kept busy"):
                studio.jobs.submit(train_spec("steps=2"))
            assert not list(studio.runs.glob("train-*"))
    if studio.patient:
        assert studio.jobs.wait(job.id, 30).state == State.SUCCEEDED
