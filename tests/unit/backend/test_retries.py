"""When a job is tried again, and when its end is the end."""

import time

import pytest
from sqlalchemy import update

from backend.reconciler import Reconciler
from backend.retries import RECOVERIES
from backend.scheduler import Scheduler
from backend.store.tables import jobs
from jobs.executors import Liveness
from jobs.protocol.errors import ResourceError
from jobs.protocol.events import EventWriter
from jobs.protocol.folder import write_json
from jobs.protocol.states import State
from tests.fakes.queue import state, submit, succeed


def tries(studio, job_id):
    job = studio.jobs.get(job_id)
    return job.state, job.attempt, job.retried


def test_a_failure_is_tried_again_after_waits_that_double(studio, carry_out, clock):
    job_id = submit(studio, "failed", retries=2, retry_wait=40)
    assert carry_out() == 1
    assert tries(studio, job_id) == (State.QUEUED, 1, 1)
    job = studio.jobs.get(job_id)
    assert job.not_before == clock.now + 40 and job.ended_at is None and "code 1" in job.reason
    assert not studio.jobs.devices()[0]["job"], "nothing is leased while it waits"
    clock.now += 39
    assert carry_out() == 0
    clock.now += 1
    assert carry_out() == 1 and tries(studio, job_id) == (State.QUEUED, 2, 2)
    assert studio.jobs.get(job_id).not_before == clock.now + 80
    clock.now += 80
    carry_out()
    assert tries(studio, job_id) == (State.FAILED, 3, 2), "one honest end, after the last try"
    studio.jobs.resume(job_id)
    assert tries(studio, job_id) == (State.QUEUED, 3, 0), "a person's resume begins the count anew"


def test_a_success_after_a_failure_leaves_no_complaint(studio, carry_out):
    job_id = submit(studio, "failed", retries=1, retry_wait=0)
    carry_out()
    studio.executor.functions["train"] = succeed
    carry_out()
    job = studio.jobs.get(job_id)
    assert (job.state, job.reason, job.failure, job.retried) == (State.SUCCEEDED, None, None, 1)


def test_what_comes_after_waits_for_the_last_try(studio, carry_out):
    first = submit(studio, "failed", retries=1, retry_wait=0)
    second = submit(studio, after=[first])
    carry_out()
    assert (state(studio, first), state(studio, second)) == (State.QUEUED, State.QUEUED)
    carry_out()
    carry_out()
    assert (state(studio, first), state(studio, second)) == (State.FAILED, State.STOPPED)


def test_a_mistake_in_the_settings_is_not_tried_again(studio, carry_out):
    def wrong(run, attempt):
        EventWriter(run.events, attempt.number).write(
            "error", text="No such schedule.", failure="configuration"
        )
        return 2

    studio.executor.functions["train"] = wrong
    job_id = submit(studio, retries=3)
    carry_out()
    assert tries(studio, job_id) == (State.FAILED, 1, 0)


def test_a_start_that_fails_is_tried_again(studio, carry_out, clock, monkeypatch):
    job_id = submit(studio, retries=1, retry_wait=10)

    def refuse(*_):
        raise ResourceError("No fork.")

    with monkeypatch.context() as patch:
        patch.setattr(studio.executor, "submit", refuse)
        carry_out()
    assert tries(studio, job_id) == (State.QUEUED, 1, 1)
    clock.now += 10
    carry_out()
    assert tries(studio, job_id) == (State.SUCCEEDED, 2, 1)


@pytest.mark.parametrize("asked", ["in the row", "in the folder"])
def test_a_stop_wins_over_further_tries(studio, carry_out, asked):
    def failing(run, attempt):
        if asked == "in the folder":
            attempt.request_stop()
        else:
            with studio.store.write() as conn:
                conn.execute(update(jobs).values(state=State.STOPPING.value))
        EventWriter(run.events, attempt.number).write("error", text="Broken.", failure="program")
        return 2

    studio.executor.functions["train"] = failing
    job_id = submit(studio, retries=3, resume_lost=True)
    carry_out()
    assert tries(studio, job_id) == (State.FAILED, 1, 0)


def test_a_stop_while_it_waits_for_its_next_try(studio, carry_out):
    job_id = submit(studio, "failed", retries=3)
    carry_out()
    job = studio.jobs.stop(job_id)
    assert (job.state, job.reason, job.resumable) == (State.STOPPED, "Stopped before its next try.", True)
    assert carry_out() == 0


def lose(studio, saves=False, begins=True):
    """From now on every try ends without a trace, some after a checkpoint, or before it has begun."""

    def poll(run, attempt):
        if saves:
            folder = run.checkpoints / f"checkpoint-{attempt}"
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "trainer_state.json", {})
        return Liveness(started=True, same_boot=False)

    studio.executor.functions["train"] = lambda run, attempt: 0
    studio.executor.poll = poll
    if not begins:  # a batch system has it
        studio.executor.submit = lambda run, attempt, devices, port=None: bool(
            write_json(run.attempt(attempt).run_json, {"anchor": {"pid": 2}}) or True
        )


def test_a_lost_job_starts_again_while_it_gets_further(studio, carry_out):
    lose(studio, saves=True)
    job_id = submit(studio, resume_lost=True)
    for number in range(1, 2 + RECOVERIES):
        assert carry_out() == 1, "at once"
        assert tries(studio, job_id) == (State.QUEUED, number, 0)
    assert "restarted" in studio.jobs.get(job_id).reason


def test_a_job_that_is_lost_again_and_again_without_progress_ends_so(studio, carry_out, clock):
    lose(studio)
    job_id = submit(studio, resume_lost=True, retry_wait=10)
    waits = []
    for _ in range(RECOVERIES):
        assert carry_out() == 1
        waits.append(studio.jobs.get(job_id).not_before - clock.now)
        clock.now += waits[-1]
    assert waits == [0, 10, 20, 40, 80]
    carry_out()
    assert tries(studio, job_id) == (State.LOST, RECOVERIES + 1, 0)


def test_an_earlier_checkpoint_is_no_progress_of_a_try_that_never_began(studio, carry_out, clock):
    lose(studio, saves=True)
    job_id = submit(studio, resume_lost=True, retry_wait=10)
    carry_out()
    lose(studio)
    studio.executor.submit = lambda run, attempt, devices, port=None: True  # a batch system has it
    waits = []
    for _ in range(2):
        assert carry_out() == 1
        waits.append(studio.jobs.get(job_id).not_before - clock.now)
        clock.now += waits[-1]
    assert waits == [10, 20]


def test_a_stop_that_came_from_slurm_alone_does_not_keep_a_lost_job_from_starting_again(studio, carry_out):
    def poll(run, attempt):
        run.attempt(attempt).request_stop()  # as the batch script does when Slurm takes its nodes away
        return Liveness(ended={"code": None, "stopped": False, "slurm": "PREEMPTED"}, started=True)

    studio.executor.functions["train"] = lambda run, attempt: 0
    studio.executor.poll = poll
    job_id = submit(studio, resume_lost=True)
    carry_out()
    assert tries(studio, job_id) == (State.QUEUED, 1, 0)


def test_a_lost_job_stays_lost_unless_asked_otherwise(studio, carry_out):
    lose(studio)
    job_id = submit(studio, retries=3)
    carry_out()
    assert state(studio, job_id) == State.LOST


def test_a_time_limit_stops_a_try_and_says_so(studio, clock):
    studio.executor.poll = lambda run, attempt: Liveness(supervised=True, started=True)
    studio.executor.submit = lambda *_: None
    job_id = submit(studio, time_limit=5400, retries=3)
    Scheduler(studio.store, studio.runs, studio.executor).tick()
    clock.now = studio.jobs.get(job_id).started_at + 5400
    reconciler = Reconciler(studio.store, studio.runs, studio.executor, clock=clock)
    reconciler.tick()
    assert state(studio, job_id) == State.RUNNING
    clock.now += 1
    reconciler.tick()
    run = studio.jobs.folder(job_id)
    assert state(studio, job_id) == State.STOPPING and run.attempt(1).stop_requested()
    write_json(run.result_json, {"attempt": 1, "status": "stopped"})
    studio.executor.poll = lambda run, attempt: Liveness(ended={"code": 0}, started=True)
    reconciler.tick()
    job = studio.jobs.get(job_id)
    assert (job.state, job.failure, job.resumable) == (State.STOPPED, None, True)
    assert "time limit of 90 min" in job.reason


def test_release_ends_the_wait_between_two_tries(studio, carry_out):
    job_id = submit(studio, "failed", retries=1, retry_wait=500)
    carry_out()
    assert carry_out() == 0
    studio.queue.release(job_id)
    assert carry_out() == 1


def test_the_time_of_an_earlier_try_does_not_count(studio, clock):
    studio.executor.functions["train"] = lambda run, attempt: 1
    job_id = submit(studio, time_limit=60, retries=1, retry_wait=0)
    scheduler = Scheduler(studio.store, studio.runs, studio.executor)
    scheduler.tick()
    Reconciler(studio.store, studio.runs, studio.executor).tick()
    assert scheduler.claim().attempt == 2, "and then its scheduler dies"
    studio.executor.poll = lambda run, attempt: Liveness(supervised=True, started=True)
    clock.now = time.time() + 3600
    Reconciler(studio.store, studio.runs, studio.executor, clock=clock).tick()
    assert state(studio, job_id) == State.RUNNING
