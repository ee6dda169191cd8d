"""Rows and files as a power loss leaves them: another boot, pids of strangers, files empty or cut."""

import json
import subprocess
import sys

import pytest

from backend.reconciler import Reconciler
from backend.scheduler import Scheduler
from jobs.protocol.events import EventWriter, read_events
from jobs.protocol.folder import write_json
from jobs.protocol.identity import ProcessIdentity, boot_id
from jobs.protocol.states import State
from tests.fakes.processes import living, until
from tests.fakes.studio import make_studio, train_spec

pytestmark = pytest.mark.chaos
CUT = {"empty": "", "half": '{"cookie": "abc", "boot_', "zeros": "\0" * 512}


@pytest.fixture
def studio(studio_home):
    with make_studio(studio_home) as studio:
        yield studio
        for job in studio.jobs.list():
            for process in living(studio.jobs.folder(job.id)):
                process.kill()


@pytest.fixture
def stranger():
    """A process of somebody else's."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    yield process
    process.kill()
    process.wait()


def half_way(studio):
    """A job in the middle, with a checkpoint, whose every process has just died; nobody has looked yet."""
    job_id = studio.jobs.submit(train_spec("steps=100000")).id
    Scheduler(studio.store, studio.runs, studio.executor).tick()
    run = studio.jobs.folder(job_id)
    until(run.last_checkpoint, what="a checkpoint")
    while found := living(run):
        for process in found:
            process.kill()
    return job_id, run


def look(studio):
    return Reconciler(studio.store, studio.runs, studio.executor).tick()


def assert_lost_and_resumable(studio, job_id):
    job = studio.jobs.get(job_id)
    assert (job.state, job.devices, job.resumable) == (State.LOST, [], True), job
    assert job.reason and job.failure == "lost"


def finish(studio, job_id):
    """Resume it, and see it go on from a checkpoint."""
    run = studio.jobs.folder(job_id)
    write_json(run.spec_json, {**run.spec(), "name": f"steps={int(run.last_checkpoint().name[11:]) + 10}"})
    studio.jobs.resume(job_id)
    studio.start()
    job = studio.jobs.wait(job_id, 30)
    assert (job.state, job.attempt) == (State.SUCCEEDED, 2), job
    assert studio.jobs.log(job_id)[0] != "begin at 0\n"


def test_pids_of_another_boot_are_strangers(studio, stranger):
    job_id, run = half_way(studio)
    other = {"pid": stranger.pid, "start_ticks": 5, "boot_id": "an earlier one"}
    facts = json.loads(run.attempt(1).run_json.read_text())
    facts |= dict.fromkeys(("supervisor", "anchor", "child"), other)
    write_json(run.attempt(1).run_json, facts | {"boot_id": "an earlier one", "strays": [other]})
    look(studio)
    assert_lost_and_resumable(studio, job_id)
    assert "restarted" in studio.jobs.get(job_id).reason
    assert stranger.poll() is None, "it was not touched"
    finish(studio, job_id)


def test_a_pid_that_another_process_has_now_is_not_signalled(studio, stranger):
    job_id, run = half_way(studio)
    true = ProcessIdentity.of(stranger.pid)
    other = {"pid": true.pid, "start_ticks": true.start_ticks - 1, "boot_id": boot_id()}
    facts = json.loads(run.attempt(1).run_json.read_text())
    facts |= dict.fromkeys(("supervisor", "anchor", "child"), other)
    write_json(run.attempt(1).run_json, facts | {"strays": [other]})
    studio.jobs.stop(job_id, grace=0)
    look(studio)
    assert studio.jobs.get(job_id).state in (State.LOST, State.STOPPED)
    assert stranger.poll() is None


@pytest.mark.parametrize("text", CUT.values(), ids=CUT)
@pytest.mark.parametrize("name", ["run_json", "exit_json"])
def test_a_file_of_the_attempt_that_was_cut(studio, name, text):
    job_id, run = half_way(studio)
    getattr(run.attempt(1), name).write_text(text)
    assert look(studio) == 0
    assert_lost_and_resumable(studio, job_id)
    assert studio.jobs.rebuild() == [job_id]
    assert studio.jobs.get(job_id).state == State.LOST


@pytest.mark.parametrize("text", CUT.values(), ids=CUT)
def test_a_result_that_was_cut_is_none(studio, text):
    job_id, run = half_way(studio)
    run.result_json.write_text(text)
    look(studio)
    assert_lost_and_resumable(studio, job_id)


@pytest.mark.parametrize("text", CUT.values(), ids=CUT)
def test_a_checkpoint_that_was_cut_is_not_resumed_from(studio, text):
    job_id, run = half_way(studio)
    good, bad = run.last_checkpoint(), run.checkpoints / "checkpoint-1000000"
    bad.mkdir()
    (bad / "trainer_state.json").write_text(text)
    assert run.last_checkpoint() == good
    look(studio)
    finish(studio, job_id)


@pytest.mark.parametrize("text", CUT.values(), ids=CUT)
def test_a_spec_that_was_cut_fails_in_words_and_holds_up_nobody(studio, text):
    broken, other = (studio.jobs.submit(train_spec("steps=2")).id for _ in range(2))
    studio.jobs.folder(broken).spec_json.write_text(text)
    studio.start()
    assert studio.jobs.wait(other, 20).state == State.SUCCEEDED
    job = studio.jobs.wait(broken, 20)
    assert job.state == State.FAILED and "spec.json" in job.reason and job.devices == []


def test_half_a_line_costs_no_other(studio):
    job_id, run = half_way(studio)
    look(studio)
    before = len(studio.jobs.metrics(job_id)["loss"])
    with open(run.events, "a") as file:
        file.write('{"event": "metrics", "step": 999999, "val')
    EventWriter(run.events, 2).write("metrics", step=1_000_000, values={"loss": 1.0})
    look(studio)
    finish(studio, job_id)
    steps = [step for step, _ in studio.jobs.metrics(job_id, max_points=10**6)["loss"]]
    assert 1_000_000 in steps and 999_999 not in steps and len(steps) > before
    texts = [event.get("text") for _, event in read_events(run.events) if event["attempt"] == 2]
    assert "training in 1" in texts, "the first event of the next attempt"
