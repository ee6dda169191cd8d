"""Jobs from submit to delete, without processes."""

import shutil
import threading

import pytest

from backend.reconciler import Reconciler
from backend.scheduler import Scheduler
from jobs.executors import InlineExecutor
from jobs.protocol.errors import JobError, ResourceError, SpecError
from jobs.protocol.events import EventWriter
from jobs.protocol.folder import write_json
from jobs.protocol.states import State
from tests.fakes.studio import make_studio, serve_spec, train_spec


def good(run, attempt):
    events = EventWriter(run.events, attempt.number)
    events.write("metrics", step=1, values={"loss": 0.5})
    attempt.log.write_text("hällo\n", encoding="utf-8")
    write_json(run.result_json, {"attempt": attempt.number, "status": "succeeded"})
    return 0


def bad(run, attempt):
    raise ValueError("no such thing")


@pytest.fixture
def studio(studio_home):
    with make_studio(studio_home, executor=InlineExecutor({"train": good, "serve": good})) as studio:
        yield studio


def carry_out(studio):
    Scheduler(studio.store, studio.runs, studio.executor).tick()
    return Reconciler(studio.store, studio.runs, studio.executor).tick()


def test_submit_makes_folder_and_row(studio):
    job = studio.jobs.submit(train_spec("a name"))
    assert (job.id, job.state, job.attempt, job.queue_position) == ("train-0001", State.QUEUED, 0, 1)
    assert studio.jobs.folder(job.id).spec() == job.spec
    assert "studio launch" in job.waiting, "nobody schedules"
    assert studio.jobs.list() == [studio.jobs.get(job.id)]


def test_a_repeated_request_is_the_same_job(studio):
    first = studio.jobs.submit(train_spec(), request_id="click-1")
    assert studio.jobs.submit(train_spec(), request_id="click-1").id == first.id
    assert studio.jobs.submit(train_spec(), request_id="click-2").id != first.id
    assert len(list(studio.runs.glob("train-*"))) == 2


def test_the_same_request_from_several_threads_at_once(studio):
    ids = []
    threads = [
        threading.Thread(target=lambda: ids.append(studio.jobs.submit(train_spec(), "one").id))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8 and len(set(ids)) == 1
    assert len(list(studio.runs.glob("train-*"))) == 1


def test_a_wrong_spec_leaves_nothing_behind(studio):
    with pytest.raises(SpecError, match="Did you mean"):
        studio.jobs.submit({**train_spec(), "optimization": {}})
    assert not studio.runs.exists()


def test_a_job_runs_and_is_seen(studio):
    job = studio.jobs.submit(train_spec())
    assert carry_out(studio) == 0
    job = studio.jobs.get(job.id)
    assert (job.state, job.attempt, job.metrics, job.resumable) == (State.SUCCEEDED, 1, {"loss": 0.5}, False)
    assert studio.jobs.log(job.id) == ("hällo\n", 7)
    assert studio.jobs.log(job.id, offset=0, limit=2) == ("h", 1), "no half characters"
    assert studio.jobs.log(job.id, offset=-3) == ("lo\n", 7)
    assert studio.jobs.log(job.id, offset=99) == ("", 7)
    events, offset = studio.jobs.events(job.id)
    assert events[0]["event"] == "metrics" and studio.jobs.events(job.id, offset) == ([], offset)
    assert studio.jobs.metrics(job.id, names=["loss"]) == {"loss": [[1, 0.5]]}
    with pytest.raises(JobError, match="cannot be resumed"):
        studio.jobs.resume(job.id)


def test_failure_then_resume_is_a_new_attempt(studio):
    studio.executor.functions["train"] = bad
    job = studio.jobs.submit(train_spec())
    carry_out(studio)
    failed = studio.jobs.get(job.id)
    assert (failed.state, failed.failure, failed.resumable) == (State.FAILED, "program", True)
    assert "no such thing" in failed.reason and any("Traceback" in line for line in failed.last_lines)
    studio.executor.functions["train"] = good
    queued = studio.jobs.resume(job.id)
    assert (queued.state, queued.reason, queued.failure, queued.last_lines) == (State.QUEUED, None, None, [])
    with pytest.raises(JobError):
        studio.jobs.resume(job.id)
    carry_out(studio)
    assert (studio.jobs.get(job.id).state, studio.jobs.get(job.id).attempt) == (State.SUCCEEDED, 2)


def test_stop_before_the_start(studio):
    job = studio.jobs.submit(train_spec())
    stopped = studio.jobs.stop(job.id)
    assert (stopped.state, stopped.resumable) == (State.STOPPED, True)
    assert studio.jobs.stop(job.id).state == State.STOPPED, "harmless"
    carry_out(studio)
    assert studio.jobs.get(job.id).attempt == 0


def test_a_stop_passes_a_database_on_a_full_disk(studio, monkeypatch):
    job = studio.jobs.submit(train_spec())
    monkeypatch.setattr(InlineExecutor, "submit", lambda *_: None)
    Scheduler(studio.store, studio.runs, studio.executor).tick()

    def full(*_):
        raise ResourceError("The disk is full.")

    monkeypatch.setattr(studio.jobs, "_note_stop", full)
    studio.jobs.stop(job.id)
    assert studio.jobs.folder(job.id).attempt(1).stop_requested()
    queued = studio.jobs.submit(train_spec())
    with pytest.raises(ResourceError):
        studio.jobs.stop(queued.id)


def test_delete_only_what_has_ended(studio):
    job = studio.jobs.submit(train_spec())
    with pytest.raises(JobError, match="stop it before"):
        studio.jobs.delete(job.id)
    carry_out(studio)
    studio.jobs.delete(job.id)
    assert studio.jobs.list() == [] and list(studio.runs.glob("train-*")) == []
    with pytest.raises(JobError, match="no job 'train-0001'"):
        studio.jobs.get(job.id)


def test_a_number_is_never_given_twice(studio):
    first, second = (studio.jobs.submit(train_spec()) for _ in range(2))
    carry_out(studio)
    studio.jobs.delete(second.id)
    shutil.rmtree(studio.runs / first.id)
    assert studio.jobs.submit(train_spec()).id == "train-0003"


def test_a_folder_deleted_by_hand_does_not_block_its_number(studio):
    job = studio.jobs.submit(train_spec())
    carry_out(studio)
    shutil.rmtree(studio.runs)  # with the note of the last number
    again = studio.jobs.submit(train_spec())
    assert again.id == job.id and again.state == State.QUEUED
    shutil.rmtree(studio.runs)
    with pytest.raises(JobError, match="still active"):
        studio.jobs.submit(train_spec())


def test_lists_filter(studio):
    train = studio.jobs.submit(train_spec())
    serve = studio.jobs.submit(serve_spec())
    assert [j.id for j in studio.jobs.list()] == [serve.id, train.id], "newest first"
    assert [j.id for j in studio.jobs.list(kinds=["train"])] == [train.id]
    assert [j.id for j in studio.jobs.list(states=["queued"], limit=1)] == [serve.id]
    assert studio.jobs.list(states=[State.RUNNING]) == []


def test_a_page_is_shown_what_runs_and_what_is_next_however_much_waits(studio, monkeypatch):
    monkeypatch.setattr(InlineExecutor, "submit", lambda *_: None)
    running = [studio.jobs.submit(train_spec()).id for _ in range(2)]
    Scheduler(studio.store, studio.runs, studio.executor).tick()
    waiting = [studio.jobs.submit(train_spec()).id for _ in range(5)]
    shown = [job.id for job in studio.jobs.shown(limit=2)]
    assert shown == [waiting[4], waiting[3], waiting[1], waiting[0], *reversed(running)]


def test_the_command_is_shown_before_the_start(studio):
    words = studio.jobs.command(train_spec(launcher="torchrun", processes=2))
    assert words[1:3] == ["-m", "torch.distributed.run"] and words[-1].endswith("train-NNNN")
    assert "jobs.programs.train" in words
    assert studio.jobs.list() == []


def test_checkpoints(studio):
    job = studio.jobs.submit(train_spec())
    run = studio.jobs.folder(job.id)
    for step in (100, 20):
        (run.checkpoints / f"checkpoint-{step}").mkdir(parents=True)
        (run.checkpoints / f"checkpoint-{step}" / "weights").write_bytes(b"12345")
    write_json(run.checkpoints / "checkpoint-20" / "trainer_state.json", {})
    found = studio.jobs.checkpoints(job.id)
    assert [(c["step"], c["whole"]) for c in found] == [(20, True), (100, False)]
    assert found[1]["size_bytes"] == 5


def test_a_runs_folder_that_cannot_be_made(studio):
    studio.runs.write_text("a file is in the way")
    with pytest.raises(ResourceError, match="No run folder can be made"):
        studio.jobs.submit(train_spec())


def test_wait_gives_up_after_its_time(studio):
    job = studio.jobs.submit(train_spec())
    assert studio.jobs.wait(job.id, timeout=0).state == State.QUEUED
