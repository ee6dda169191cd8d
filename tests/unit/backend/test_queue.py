"""Whose turn it is, and what a queued job waits for besides devices."""

import time

import pytest
from sqlalchemy import delete, insert

from backend.scheduler import Scheduler
from backend.services.submission import new_row
from backend.store.tables import jobs
from jobs.protocol.errors import JobError
from jobs.protocol.states import State
from jobs.specs.load import parse_spec
from tests.fakes.queue import order, state, submit, succeed
from tests.fakes.studio import train_spec


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
    studio.executor.functions["train"] = succeed
    for job_id in (second, first):
        studio.jobs.resume(job_id)
    assert carry_out() == 1, "the second waits for the first"
    carry_out()
    assert {state(studio, i) for i in (first, second)} == {State.SUCCEEDED}


def test_only_what_is_there_can_be_waited_for(studio):
    with pytest.raises(JobError, match="there is no job 'train-0099'"):
        submit(studio, after=["train-0099"])
    assert studio.jobs.list() == [] and not list(studio.runs.glob("train-*"))


def test_the_words_for_what_waits(studio, carry_out, clock, monkeypatch):
    monkeypatch.setattr("backend.services.job_view.time.time", clock)
    failed = submit(studio, "failed", retries=3, retry_wait=40)
    carry_out()
    held = submit(studio, hold=True)
    many = submit(studio, after=[failed, held, *(submit(studio, hold=True) for _ in range(3))])
    words = {i: studio.jobs.get(i).waiting for i in (failed, held, many)}
    assert words[failed].startswith("Try 2 of 4 in 40 s. Last time: The program ended with code 1.")
    assert words[held] == "Held, until it is released."
    assert words[many] == (
        f"Waits for the end of {failed} (queued), {held} (queued), train-0003 (queued) and 2 more."
    )


def test_who_is_waited_for_cannot_be_deleted(studio, carry_out):
    first = submit(studio)
    second = submit(studio, after=[first], hold=True)
    carry_out()
    with pytest.raises(JobError, match=f"{second} is to start after {first}"):
        studio.jobs.delete(first)
    studio.jobs.stop(second)
    studio.jobs.delete(first)


def test_one_that_is_gone_did_not_succeed(studio, carry_out):
    first = submit(studio)
    second, anyway = submit(studio, after=[first]), submit(studio, after=[first], continue_on_error=True)
    with studio.store.write() as conn:
        conn.execute(delete(jobs).where(jobs.c.id == first))
    carry_out()
    assert (
        studio.jobs.get(second).reason == f"Not started: it comes after {first}, which is not there any more."
    )
    assert state(studio, anyway) == State.SUCCEEDED


def test_the_order_can_be_changed(studio):
    a, b, c, d = (submit(studio) for _ in range(4))
    urgent = submit(studio, priority=3)
    assert order(studio) == [urgent, a, b, c, d]
    for _ in range(2):  # twice is as once
        studio.queue.move(d, before=b)
        assert order(studio) == [urgent, a, d, b, c]
        studio.queue.move(a, after=c)
        assert order(studio) == [urgent, d, b, c, a]
        studio.queue.move(c, to="top")
        assert order(studio) == [c, urgent, d, b, a] and studio.jobs.get(c).priority == 3
        studio.queue.move(urgent, to="bottom")
        assert order(studio) == [c, d, b, a, urgent] and studio.jobs.get(urgent).priority == 0
        studio.queue.move(b, before=b)
        studio.queue.set_priority(a, 5)
        assert order(studio) == [a, c, d, b, urgent]
        for job_id, priority in ((a, 0), (c, 0), (urgent, 3)):
            studio.queue.set_priority(job_id, priority)
        for job_id in (d, c, b, a):
            studio.queue.move(job_id, after=urgent)
            studio.queue.set_priority(job_id, 0)
        for job_id in (a, b, c, d):
            studio.queue.move(job_id, to="bottom")
        assert order(studio) == [urgent, a, b, c, d]
    assert submit(studio) == order(studio)[-1]


def test_a_step_up_and_down(studio):
    a, b, c = (submit(studio) for _ in range(3))
    for job_id, to, wanted in (
        (b, "up", [b, a, c]),
        (b, "up", [b, a, c]),  # it stands at the end already
        (b, "down", [a, b, c]),
        (b, "down", [a, c, b]),
        (b, "down", [a, c, b]),
    ):
        studio.queue.move(job_id, to=to)
        assert order(studio) == wanted


def test_many_moves_between_the_same_two(studio):
    """Between two numbers is only so much room; the order holds when it is used up."""
    first, second, *others = [submit(studio) for _ in range(6)]
    for turn in range(60):
        moved = others[turn % 4]
        studio.queue.move(moved, after=first)
        assert order(studio)[:2] == [first, moved]
    assert order(studio)[-1] == second


def test_hold_and_release_may_be_repeated(studio, carry_out):
    job_id = submit(studio)
    for _ in range(2):
        studio.queue.hold(job_id)
    assert carry_out() == 0 and studio.jobs.get(job_id).held
    for _ in range(2):
        studio.queue.release(job_id)
    assert carry_out() == 1
    with pytest.raises(JobError, match="is succeeded: only a job that waits"):
        studio.queue.hold(job_id)


@pytest.mark.parametrize(
    "change",
    [
        lambda queue, job: queue.move(job),
        lambda queue, job: queue.move(job, before=job, to="top"),
        lambda queue, job: queue.move(job, to="front"),
        lambda queue, job: queue.move(job, before="train-0077"),
        lambda queue, job: queue.set_priority(job, 101),
        lambda queue, job: queue.hold("train-0077"),
    ],
)
def test_changes_that_make_no_sense_are_refused(studio, change):
    submit(studio)
    job_id = submit(studio)
    with pytest.raises(JobError):
        change(studio.queue, job_id)


def test_a_clock_that_was_set_back_changes_no_turns(studio, monkeypatch):
    first = submit(studio)
    monkeypatch.setattr("backend.queue.time.time", lambda: 5.0)
    second = submit(studio)
    assert order(studio) == [first, second]


def test_a_thousand_jobs_in_their_order(studio):
    specs = [parse_spec(train_spec(priority=number % 3)) for number in range(1000)]
    specs[500] = parse_spec(train_spec(priority=100, queue={"hold": True}))
    ids = [new_row(f"train-{i:04d}", spec, False) | {"rank": i} for i, spec in enumerate(specs)]
    with studio.store.write() as conn:
        conn.execute(insert(jobs), ids)
    scheduler = Scheduler(studio.store, studio.runs, studio.executor)
    started = time.monotonic()
    claimed = [scheduler.claim().job_id for _ in range(8)]
    assert claimed == [f"train-{number:04d}" for number in (2, 5, 8, 11, 14, 17, 20, 23)]
    assert scheduler.claim() is None, "the slots are taken"
    assert (time.monotonic() - started) / 9 < 0.25, "seconds a claim, also on a busy machine"
