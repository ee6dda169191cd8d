"""What a queued job waits for besides devices."""

import pytest

from backend.reconciler import Reconciler
from backend.scheduler import Scheduler
from jobs.executors import InlineExecutor
from jobs.protocol.errors import JobError
from jobs.protocol.folder import write_json
from jobs.protocol.states import State
from tests.fakes.studio import make_studio, train_spec


def program(run, attempt):
    """Ends as the name of the run says."""
    if run.spec()["name"] == "failed":
        return 1
    write_json(run.result_json, {"attempt": attempt.number, "status": run.spec()["name"] or "succeeded"})
    return 0


class Clock:
    """Seconds since 1970 that pass only when told."""

    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def studio(studio_home):
    with make_studio(studio_home, executor=InlineExecutor({"train": program}), cpu=8) as studio:
        yield studio


def submit(studio, name="", priority=0, **queue):
    return studio.jobs.submit(train_spec(name, priority=priority, queue=queue)).id


@pytest.fixture
def carry_out(studio, clock):
    scheduler = Scheduler(studio.store, studio.runs, studio.executor, clock=clock)
    reconciler = Reconciler(studio.store, studio.runs, studio.executor)

    def carry_out():
        started = scheduler.tick()
        reconciler.tick()
        return started

    return carry_out


def state(studio, job_id):
    return studio.jobs.get(job_id).state


def test_a_held_job_waits_and_holds_up_nobody(studio, carry_out):
    held, other = submit(studio, hold=True, priority=5), submit(studio)
    assert carry_out() == 1
    assert (state(studio, held), state(studio, other)) == (State.QUEUED, State.SUCCEEDED)


def test_a_job_comes_after_those_it_names(studio, carry_out):
    first, second = submit(studio), submit(studio)
    third = submit(studio, after=[first, second, first], priority=100)
    assert carry_out() == 2
    assert state(studio, third) == State.QUEUED
    assert carry_out() == 1
    assert state(studio, third) == State.SUCCEEDED


@pytest.mark.parametrize(("name", "words"), [("failed", "which failed"), ("stopped", "which was stopped")])
def test_what_comes_after_a_failure_is_not_started(studio, carry_out, name, words):
    first = submit(studio, name)
    second = submit(studio, after=[first])
    third = submit(studio, after=[second])
    anyway = submit(studio, after=[first, second], continue_on_error=True)
    carry_out()
    carry_out()
    for job_id, earlier, what in ((second, first, words), (third, second, "which was stopped")):
        job = studio.jobs.get(job_id)
        assert (job.state, job.attempt, job.resumable) == (State.STOPPED, 0, True)
        assert job.reason == f"Not started: it comes after {earlier}, {what}."
        assert earlier in job.remedy
    assert state(studio, anyway) == State.SUCCEEDED


def test_resumed_together_they_come_in_their_order(studio, carry_out):
    first = submit(studio, "failed")
    second = submit(studio, after=[first])
    carry_out()
    carry_out()
    studio.executor.functions["train"] = lambda run, attempt: write_json(
        run.result_json, {"attempt": attempt.number, "status": "succeeded"}
    )
    for job_id in (second, first):
        studio.jobs.resume(job_id)
    assert carry_out() == 1, "the second waits for the first"
    carry_out()
    assert {state(studio, i) for i in (first, second)} == {State.SUCCEEDED}


def test_only_what_is_there_can_be_waited_for(studio):
    with pytest.raises(JobError, match="there is no job 'train-0099'"):
        submit(studio, after=["train-0099"])
    assert studio.jobs.list() == [] and not list(studio.runs.glob("train-*"))
