"""The database from the run folders."""

import shutil
import time

from backend.reconciler import Reconciler
from backend.scheduler import Scheduler
from jobs.executors import InlineExecutor, Liveness
from jobs.protocol.errors import ModelError
from jobs.protocol.events import EventWriter
from jobs.protocol.folder import write_json
from jobs.protocol.states import State
from tests.fakes.queue import order, submit
from tests.fakes.studio import make_studio, train_spec


def program(run, attempt):
    events = EventWriter(run.events, attempt.number)
    events.write("progress", step=4, total=4, seconds_left=0)
    events.write("metrics", step=4, values={"loss": 0.25})
    if run.spec()["name"] == "bad":
        events.write("error", text="Line 3 is broken.", failure="data", remedy="Mend it.")
        return 2
    write_json(run.result_json, {"attempt": attempt.number, "status": run.spec()["name"]})
    return 0


def test_all_rows_come_back_as_they_were(studio_home):
    with make_studio(studio_home, executor=InlineExecutor({"train": program}), cpu=4) as studio:
        for name in ("succeeded", "stopped", "bad"):
            studio.jobs.submit(train_spec(name))
        Scheduler(studio.store, studio.runs, studio.executor).tick()
        Reconciler(studio.store, studio.runs, studio.executor).tick()
        before = {job.id: job for job in studio.jobs.list()}
        curves = {i: studio.jobs.metrics(i) for i in before}
    for path in studio_home.glob("studio.db*"):
        path.unlink()
    (studio_home / "runs" / "train-0009").mkdir()  # no spec: passed over
    with make_studio(studio_home, executor=InlineExecutor()) as studio:
        assert studio.jobs.list() == []
        assert sorted(studio.jobs.rebuild()) == sorted(before)
        after = {job.id: job for job in studio.jobs.list()}
        for job_id, job in before.items():
            assert after[job_id] == job
            assert studio.jobs.metrics(job_id) == curves[job_id] == {"loss": [[4, 0.25]]}
        assert sorted(studio.jobs.rebuild()) == sorted(before), "may be repeated"


def forget(studio_home):
    """Delete the database."""
    for path in studio_home.glob("studio.db*"):
        path.unlink()


def views(studio):
    """The jobs, but for what moves with the clock."""
    return {job.id: job.model_copy(update={"waiting": None}) for job in studio.jobs.list()}


def test_what_waits_goes_on_waiting_in_its_order(studio_home):
    with make_studio(studio_home, executor=InlineExecutor({"train": program}), cpu=1) as studio:
        first, second, third = (submit(studio) for _ in range(3))
        held, later = submit(studio, hold=True), submit(studio, after=[second])
        released, stopped = submit(studio, hold=True), submit(studio)
        studio.queue.move(third, before=first)
        studio.queue.hold(second)
        studio.queue.release(released)
        studio.queue.set_priority(later, 7)
        studio.jobs.stop(stopped)
        before = views(studio)
    forget(studio_home)
    with make_studio(studio_home, executor=InlineExecutor({"train": program}), cpu=1) as studio:
        studio.jobs.rebuild()
        assert views(studio) == before
        assert before[held].held and before[second].held and not before[released].held
        assert order(studio) == [later, third, first, second, held, released]
        assert before[stopped].state == "stopped"


def test_tries_go_on_where_they_were(studio_home):
    executor = InlineExecutor({"train": lambda run, attempt: 1})
    with make_studio(studio_home, executor=executor) as studio:
        waits, gave_up = submit(studio, retries=3, retry_wait=50), submit(studio, retries=3)
        for _ in range(2):
            Scheduler(studio.store, studio.runs, studio.executor).tick()
            Reconciler(studio.store, studio.runs, studio.executor).tick()
            if studio.jobs.get(waits).retried == 1:
                studio.queue.release(waits)
        studio.jobs.stop(gave_up)
        before = views(studio)
    assert (before[waits].state, before[waits].retried, before[waits].attempt) == ("queued", 2, 2)
    assert (before[gave_up].state, before[gave_up].reason) == ("stopped", "Stopped before its next try.")
    forget(studio_home)
    with make_studio(studio_home, executor=executor) as studio:
        studio.jobs.rebuild()
        after = views(studio)
        for job_id in (waits, gave_up):
            known = {"last_lines": before[job_id].last_lines}  # the log has them
            assert after[job_id].model_copy(update=known) == before[job_id]


class Living(InlineExecutor):
    """What was started goes on."""

    def submit(self, run, attempt, devices, port=None):
        write_json(run.attempt(attempt).run_json, {"devices": list(devices), "child": {}, "started_at": 5.0})

    def poll(self, run, attempt):
        there = run.attempt(attempt).run_json.exists()
        return Liveness(supervised=there, started=there)


def test_what_runs_keeps_running_with_its_devices(studio_home):
    with make_studio(studio_home, executor=Living()) as studio:
        first, second = submit(studio, time_limit=1), submit(studio)
        Scheduler(studio.store, studio.runs, studio.executor).tick()
        Reconciler(studio.store, studio.runs, studio.executor, clock=lambda: time.time() + 9).tick()
        waiting = submit(studio)
        before = views(studio)
    forget(studio_home)
    with make_studio(studio_home, executor=Living()) as studio:
        studio.jobs.rebuild()
        after = views(studio)
        assert {job.id: (job.state, job.devices) for job in after.values()} == {
            first: ("stopping", ["cpu:0"]),
            second: ("running", ["cpu:1"]),
            waiting: ("queued", []),
        }
        assert {i: job.devices for i, job in before.items()} == {i: job.devices for i, job in after.items()}
        write_json(studio.jobs.folder(first).result_json, {"attempt": 1, "status": "stopped"})
        studio.executor.poll = lambda run, attempt: Liveness(ended={"code": 0}, started=True)
        Reconciler(studio.store, studio.runs, studio.executor).tick()
        assert "time limit of 1 s" in studio.jobs.get(first).reason


def test_a_claim_that_was_cut_off_is_queued_again(studio_home):
    with make_studio(studio_home, executor=InlineExecutor()) as studio:
        job_id = submit(studio)
        studio.jobs.folder(job_id).new_attempt()
        studio.jobs.rebuild()
        assert (studio.jobs.get(job_id).state, studio.jobs.get(job_id).attempt) == ("queued", 1)


def end(studio, job_id):
    job = studio.jobs.get(job_id)
    return job.state, job.reason, job.failure


def test_a_start_that_failed_is_not_made_again(studio_home):
    def refuse(run):
        raise ModelError("There is no model.")

    with make_studio(studio_home, executor=InlineExecutor()) as studio:
        job_id = submit(studio)
        Scheduler(studio.store, studio.runs, studio.executor, before_start=refuse).tick()
        assert end(studio, job_id) == (State.FAILED, "There is no model.", "model")
    forget(studio_home)
    with make_studio(studio_home, executor=InlineExecutor()) as studio:
        studio.jobs.rebuild()
        assert end(studio, job_id) == (State.FAILED, "There is no model.", "model")


def test_a_start_that_was_stopped_is_not_made_again(studio_home):
    with make_studio(studio_home, executor=InlineExecutor(), cpu=1) as studio:
        job_id = submit(studio)
        Scheduler(studio.store, studio.runs, studio.executor).claim()
        studio.jobs.folder(job_id).new_attempt()  # and here its scheduler died
        studio.jobs.stop(job_id)
        Reconciler(studio.store, studio.runs, studio.executor).tick()
        assert end(studio, job_id) == (State.STOPPED, "Stopped before it began.", None)
    forget(studio_home)
    with make_studio(studio_home, executor=InlineExecutor()) as studio:
        studio.jobs.rebuild()
        assert end(studio, job_id) == (State.STOPPED, "Stopped before it began.", None)


def test_a_submission_that_was_cut_off_is_not_started(studio_home):
    with make_studio(studio_home, executor=InlineExecutor()) as studio:
        job_id = submit(studio)
        studio.jobs.folder(job_id).queue_json.unlink()
        studio.jobs.rebuild()
        assert studio.jobs.get(job_id).state == "stopped" and studio.jobs.get(job_id).resumable


def test_a_copied_folder_does_not_claim_its_originals_request(studio_home):
    with make_studio(studio_home, executor=InlineExecutor()) as studio:
        job = studio.jobs.submit(train_spec(), request_id="click")
        shutil.copytree(studio.runs / job.id, studio.runs / "train-0044")
        studio.jobs.rebuild()
        assert studio.jobs.submit(train_spec(), request_id="click").id in (job.id, "train-0044")
        assert len(studio.jobs.list()) == 2


def test_a_new_database_beside_old_runs_lists_them_by_itself(studio_home):
    with make_studio(studio_home, executor=InlineExecutor()) as studio:
        ids = {submit(studio, hold=True) for _ in range(3)}
    forget(studio_home)
    with make_studio(studio_home, executor=InlineExecutor()) as studio:
        studio.refresh()
        assert {job.id for job in studio.jobs.list()} == ids
        assert studio.jobs.rebuild(only_if_empty=True) == [], "not a second time"
