"""Which job starts, on what."""

import os

import pytest

from backend.metrics import ingest
from backend.scheduler import Scheduler
from jobs.executors import InlineExecutor
from jobs.protocol.errors import ResourceError
from jobs.protocol.events import EventWriter
from jobs.protocol.states import State
from tests.fakes.studio import make_studio, serve_spec, train_spec


class Held(InlineExecutor):
    """Starts nothing, so that devices stay leased."""

    def __init__(self, error=None):
        super().__init__()
        self.started, self.error = [], error

    def submit(self, run, attempt, devices, port=None):
        if self.error:
            raise self.error
        self.started.append((run.id, attempt, list(devices)))


def scheduler_of(studio):
    return Scheduler(studio.store, studio.runs, studio.executor)


@pytest.fixture
def make(studio_home):
    made = []

    def make(**options):
        made.append(make_studio(studio_home, executor=options.pop("executor", Held()), **options))
        return made[-1]

    yield make
    for studio in made:
        studio.close()


def test_priority_then_age(make):
    studio = make(cpu=8)
    ids = [studio.jobs.submit(train_spec(priority=p)).id for p in (0, 5, 0)]
    assert [studio.jobs.get(i).queue_position for i in ids] == [2, 1, 3]
    assert scheduler_of(studio).tick() == 3
    assert [job for job, _, _ in studio.executor.started] == [ids[1], ids[0], ids[2]]
    assert {studio.jobs.get(i).state for i in ids} == {State.RUNNING}


def test_devices_are_leased_one_by_one_and_never_twice(make):
    studio = make(cpu=3)
    ids = [studio.jobs.submit(train_spec(launcher="torchrun", processes=2)).id for _ in range(2)]
    assert scheduler_of(studio).tick() == 1
    assert studio.jobs.get(ids[0]).devices == ["cpu:0", "cpu:1"]
    waiting = studio.jobs.get(ids[1])
    assert waiting.state == State.QUEUED and waiting.devices == []


def test_a_big_job_is_not_starved_by_small_ones(make):
    studio = make(cpu=2)
    small = studio.jobs.submit(train_spec())
    scheduler = scheduler_of(studio)
    scheduler.tick()
    big = studio.jobs.submit(train_spec(launcher="torchrun", processes=2))
    later = studio.jobs.submit(train_spec())
    assert scheduler.tick() == 0, "one slot is free, but the big job is next"
    assert studio.jobs.get(small.id).state == State.RUNNING
    assert [studio.jobs.get(j.id).state for j in (big, later)] == [State.QUEUED] * 2


def test_gpus_are_taken_when_there_are_any_and_cpu_jobs_pass_a_waiting_gpu_job(make):
    studio = make(cpu=2, cuda=1)
    first, second = (studio.jobs.submit(train_spec()) for _ in range(2))
    on_cpu = studio.jobs.submit(train_spec(device="cpu"))
    assert scheduler_of(studio).tick() == 2
    assert studio.jobs.get(first.id).devices == ["cuda:0"]
    assert studio.jobs.get(second.id).state == State.QUEUED
    assert studio.jobs.get(on_cpu.id).devices == ["cpu:0"]


def test_serving_on_the_cpu_takes_no_slot(make):
    studio = make(cpu=2)
    both = studio.jobs.submit(train_spec(launcher="torchrun", processes=2))
    serve = studio.jobs.submit(serve_spec())
    assert scheduler_of(studio).tick() == 2
    assert studio.jobs.get(both.id).state == studio.jobs.get(serve.id).state == State.RUNNING
    assert studio.jobs.get(serve.id).devices == []


def test_a_conversion_leaves_the_gpus_alone(make):
    studio = make(cuda=1)
    job = studio.jobs.submit({"kind": "convert", "source": "/models/x"})
    scheduler_of(studio).tick()
    assert studio.jobs.get(job.id).devices == ["cpu:0"]


def test_serving_on_a_gpu_takes_one(make):
    studio = make(cuda=1)
    serve = studio.jobs.submit(serve_spec())
    scheduler_of(studio).tick()
    assert studio.jobs.get(serve.id).devices == ["cuda:0"]


def test_an_idle_playground_makes_room(make):
    studio = make(cuda=1)
    serve = studio.jobs.submit(serve_spec())
    scheduler = scheduler_of(studio)
    scheduler.tick()
    run = studio.jobs.folder(serve.id)
    events = EventWriter(run.events, 1)
    events.write("phase", text="ready")
    ingest(studio.store, run)
    second = studio.jobs.submit(serve_spec())
    os.utime(run.events, (1, 1))
    scheduler.tick()
    assert studio.jobs.get(serve.id).state == State.RUNNING, "another playground does not push it out"
    studio.jobs.stop(second.id)
    studio.jobs.submit(train_spec())
    os.utime(run.events)
    scheduler.tick()
    assert studio.jobs.get(serve.id).state == State.RUNNING, "it was used a moment ago"
    events.write("phase", text="unmasking")
    ingest(studio.store, run)
    os.utime(run.events, (1, 1))
    scheduler.tick()
    assert studio.jobs.get(serve.id).state == State.RUNNING, "it is at work"
    events.write("phase", text="ready")
    ingest(studio.store, run)
    os.utime(run.events, (1, 1))
    scheduler.tick()
    assert studio.jobs.get(serve.id).state == State.STOPPING
    assert run.attempt(1).stop_requested()


def test_what_can_never_fit_is_refused_with_advice(make):
    studio = make(cpu=2)
    with pytest.raises(ResourceError, match="needs 3 CPU slots and this machine has 2"):
        studio.jobs.submit(train_spec(launcher="torchrun", processes=3))
    with pytest.raises(ResourceError, match=r"Set launcher\.device to cpu"):
        studio.jobs.submit(train_spec(device="cuda"))
    assert studio.jobs.list() == [] and not list(studio.runs.glob("*"))


@pytest.mark.parametrize("error", [ResourceError("No fork."), OSError(28, "No space left on device")])
def test_a_start_that_fails_says_so_and_gives_the_devices_back(make, error):
    studio = make(executor=Held(error))
    job = studio.jobs.submit(train_spec())
    scheduler_of(studio).tick()
    job = studio.jobs.get(job.id)
    assert (job.state, job.failure) == (State.FAILED, "resource")
    assert "No fork." in job.reason or "No space left" in job.reason
    assert all(d["job"] is None for d in studio.jobs.devices())


def test_a_slow_start_is_not_a_failed_one(make):
    executor = Held(ResourceError("It took too long."))
    executor.abandon = lambda run, attempt: False  # its supervisor is there after all
    studio = make(executor=executor)
    job = studio.jobs.submit(train_spec())
    scheduler_of(studio).tick()
    assert studio.jobs.get(job.id).state == State.STARTING and studio.jobs.get(job.id).devices == ["cpu:0"]


def test_an_attempt_made_by_hand_is_not_overwritten(make):
    studio = make()
    job = studio.jobs.submit(train_spec())
    studio.jobs.folder(job.id).new_attempt()
    scheduler_of(studio).tick()
    assert studio.executor.started == [(job.id, 2, ["cpu:0"])]
    assert studio.jobs.get(job.id).attempt == 2


def test_no_claim_without_the_lease(make):
    studio = make()
    studio.jobs.submit(train_spec())
    scheduler = Scheduler(studio.store, studio.runs, studio.executor, studio.lease)
    assert scheduler.tick() == 0
    assert studio.lease.hold()
    assert scheduler.tick() == 1


def test_a_folder_that_has_gone_fails_the_job(make):
    studio = make()
    job = studio.jobs.submit(train_spec())
    (studio.runs / job.id / "spec.json").unlink()
    scheduler_of(studio).tick()
    assert studio.jobs.get(job.id).state == State.FAILED
