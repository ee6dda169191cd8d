"""Rows follow what is true, whatever died in between."""

import json
import time

import pytest
from sqlalchemy import select, update

from backend.reconciler import Reconciler
from backend.scheduler import Scheduler
from backend.store.tables import jobs
from jobs.executors import InlineExecutor, Liveness
from jobs.protocol.errors import JobError, ResourceError
from jobs.protocol.folder import write_json
from jobs.protocol.states import State
from tests.fakes.studio import make_studio, train_spec


class Scripted(InlineExecutor):
    """Says what the test wants of an attempt's liveness."""

    def __init__(self):
        super().__init__()
        self.live, self.calls = Liveness(supervised=True, started=True), []

    def submit(self, run, attempt, devices, port=None):
        self.calls.append(("submit", attempt))

    def poll(self, run, attempt):
        return self.live

    def adopt(self, run, attempt):
        self.calls.append(("adopt", attempt))
        raise ResourceError("not now")

    def stop(self, run, attempt, grace_seconds):
        super().stop(run, attempt, grace_seconds)
        self.calls.append(("stop", grace_seconds))

    def abandon(self, run, attempt):
        return True


class Survivor:
    killed = False

    def kill(self):
        self.killed = True


@pytest.fixture
def studio(studio_home):
    with make_studio(studio_home, executor=Scripted()) as studio:
        yield studio


@pytest.fixture
def running(studio):
    job = studio.jobs.submit(train_spec())
    Scheduler(studio.store, studio.runs, studio.executor).tick()
    return job.id


def tick(studio):
    return Reconciler(studio.store, studio.runs, studio.executor).tick()


def force(studio, job_id, **values):
    with studio.store.write() as conn:
        conn.execute(update(jobs).where(jobs.c.id == job_id).values(**values))


def leased(studio):
    return [d["id"] for d in studio.jobs.devices() if d["job"]]


def test_a_guarded_job_stays(studio, running):
    assert tick(studio) == 1
    assert studio.jobs.get(running).state == State.RUNNING and leased(studio) == ["cpu:0"]


def test_starting_becomes_running_when_its_scheduler_died(studio, running):
    force(studio, running, state="starting")
    tick(studio)
    assert studio.jobs.get(running).state == State.RUNNING


def test_a_claim_whose_scheduler_died_is_queued_again(studio, running):
    force(studio, running, state="starting")
    studio.executor.live = Liveness()
    assert tick(studio) == 0
    job = studio.jobs.get(running)
    assert job.state == State.QUEUED and leased(studio) == []
    Scheduler(studio.store, studio.runs, studio.executor).tick()
    assert studio.executor.calls == [("submit", 1), ("submit", 2)]


def test_a_stop_during_the_claim(studio, running):
    force(studio, running, state="stopping")
    studio.executor.live = Liveness()
    tick(studio)
    assert studio.jobs.get(running).state == State.STOPPED


def test_a_stop_that_was_not_passed_on_is(studio, running):
    force(studio, running, state="stopping", stop_grace=7)
    tick(studio)
    assert studio.executor.calls[-1] == ("stop", 7)


def test_a_stop_by_hand_is_seen(studio, running):
    studio.jobs.folder(running).attempt(1).request_stop()
    tick(studio)
    assert studio.jobs.get(running).state == State.STOPPING


def test_a_living_tree_is_adopted_and_its_devices_are_kept(studio, running):
    studio.executor.live = Liveness(started=True, survivors=(Survivor(),))
    assert tick(studio) == tick(studio) == 1
    assert studio.executor.calls[-2:] == [("adopt", 1)] * 2, "tried again when it could not be"
    assert studio.jobs.get(running).state == State.RUNNING and leased(studio) == ["cpu:0"]


def test_devices_are_not_given_back_while_anything_lives(studio, running):
    survivor = Survivor()
    studio.executor.live = Liveness(ended={"code": 0}, survivors=(survivor,), started=True)
    assert tick(studio) == 1
    assert survivor.killed and leased(studio) == ["cpu:0"]


@pytest.mark.parametrize(
    ("status", "state"), [("succeeded", State.SUCCEEDED), ("stopped", State.STOPPED), (None, State.LOST)]
)
@pytest.mark.parametrize("same_boot", [True, False])
def test_without_a_trace_the_result_decides(studio, running, status, state, same_boot):
    if status:
        write_json(studio.jobs.folder(running).result_json, {"attempt": 1, "status": status})
    studio.executor.live = Liveness(started=True, same_boot=same_boot)
    assert tick(studio) == 0
    job = studio.jobs.get(running)
    assert job.state == state and leased(studio) == []
    assert job.resumable == (state != State.SUCCEEDED)


def test_a_result_of_an_earlier_attempt_does_not_count(studio, running):
    write_json(studio.jobs.folder(running).result_json, {"attempt": 0, "status": "succeeded"})
    studio.executor.live = Liveness(started=True)
    tick(studio)
    assert studio.jobs.get(running).state == State.LOST


def test_a_folder_deleted_under_a_running_job(studio, running):
    import shutil

    shutil.rmtree(studio.runs / running)
    tick(studio)
    job = studio.jobs.get(running)
    assert job.state == State.LOST and "has gone" in job.reason


@pytest.mark.parametrize("trouble", [OSError(5, "Input/output error"), JobError("spec.json is broken.")])
def test_one_unreadable_folder_does_not_hold_up_the_others(studio, running, trouble):
    other = studio.jobs.submit(train_spec())
    Scheduler(studio.store, studio.runs, studio.executor).tick()

    def poll(run, attempt):
        if run.id == running:
            raise trouble
        return Liveness(ended={"code": 3, "last_lines": []}, started=True)

    studio.executor.poll = poll
    assert tick(studio) == 1
    assert studio.jobs.get(other.id).state == State.FAILED


def test_times_and_lines_come_from_the_end(studio, running):
    end = {"code": 1, "last_lines": ["oh"], "started_at": 100.0, "ended_at": 200.0}
    studio.executor.live = Liveness(ended=end, started=True)
    tick(studio)
    job = studio.jobs.get(running)
    assert (job.started_at, job.ended_at, job.last_lines) == (100.0, 200.0, ["oh"])


def test_refresh_and_start_share_the_work(studio, running):
    studio.executor.live = Liveness(ended={"code": 0}, started=True)
    assert studio.refresh()
    assert studio.jobs.get(running).state == State.FAILED
    assert studio.scheduler_holder() is None, "a single look does not keep the lease"
    studio.start()
    until = time.monotonic() + 5
    while not studio.holds_lease and time.monotonic() < until:
        time.sleep(0.02)
    assert studio.holds_lease
    with studio.store.read() as conn:
        assert json.loads(conn.execute(select(jobs.c.last_lines)).scalar_one()) == []
