"""The whole chain with a tiny program: spec, row, scheduler, supervisor, process, events, row again."""

import json
import signal
import time

import pytest

from jobs.protocol.errors import JobError
from jobs.protocol.folder import read_json, write_json
from jobs.protocol.states import State
from tests.fakes.processes import facts, identity, living, reaches, until
from tests.fakes.studio import train_spec

pytestmark = pytest.mark.e2e


def test_from_spec_to_curve(studio):
    studio.start()
    job = studio.jobs.submit(train_spec("steps=20"))
    job = studio.jobs.wait(job.id, 20)
    assert (job.state, job.attempt, job.step, job.total) == (State.SUCCEEDED, 1, 20, 20)
    assert (job.phase, job.metrics, job.devices) == (None, {"loss": 0.5}, [])
    assert job.created_at <= job.started_at <= job.ended_at
    assert len(studio.jobs.metrics(job.id)["loss"]) == 20
    assert [level["step"] for level in studio.jobs.levels(job.id)["levels"]] == [5, 10, 15, 20]
    assert studio.jobs.log(job.id)[0] == "begin at 0\n"
    assert [c["step"] for c in studio.jobs.checkpoints(job.id)] == [5, 10, 15, 20]
    assert not living(studio.jobs.folder(job.id))


def test_failures_are_told_in_words(studio):
    studio.start()
    wanted = {
        "error=data": ("data", "Row 3 is broken."),
        "raise=CUDA_out_of_memory": ("memory", "The GPU ran out of memory."),
        "kill=9": ("killed", "killed (signal 9)"),
        "exit=3": ("program", "ended with code 3"),
    }
    ids = {words: studio.jobs.submit(train_spec(words)).id for words in wanted}
    for words, (failure, text) in wanted.items():
        job = studio.jobs.wait(ids[words], 20)
        assert (job.state, job.failure) == (State.FAILED, failure), words
        assert text in job.reason and job.remedy and job.last_lines


def test_stop_saves_and_resume_goes_on(studio):
    studio.start()
    job = studio.jobs.submit(train_spec("steps=2000"))
    until(lambda: (studio.jobs.get(job.id).step or 0) > 5)
    assert studio.jobs.get(job.id).devices == ["cpu:0"]
    with pytest.raises(JobError):
        studio.jobs.resume(job.id)
    assert studio.jobs.stop(job.id).state == State.STOPPING
    stopped = studio.jobs.wait(job.id, 20)
    assert (stopped.state, stopped.resumable, stopped.devices) == (State.STOPPED, True, [])
    assert not living(studio.jobs.folder(job.id))
    last = studio.jobs.checkpoints(job.id)[-1]["step"]
    studio.jobs.resume(job.id)
    until(lambda: (studio.jobs.get(job.id).step or 0) > last)
    again = studio.jobs.get(job.id)
    assert (again.state, again.attempt) == (State.RUNNING, 2)
    assert studio.jobs.log(job.id)[0] == f"begin at {last}\n"
    assert studio.jobs.log(job.id, attempt=1)[0] == "begin at 0\n"
    studio.jobs.stop(job.id)
    assert studio.jobs.wait(job.id, 20).state == State.STOPPED


def test_torchrun_is_stopped_with_all_its_ranks(studio):
    studio.start()
    job = studio.jobs.submit(train_spec("steps=4000", launcher="torchrun", processes=2, device="cpu"))
    until(lambda: (studio.jobs.get(job.id).step or 0) > 5, 60)
    job = studio.jobs.get(job.id)
    assert (job.phase, job.devices) == ("training in 2", ["cpu:0", "cpu:1"])
    assert len(living(studio.jobs.folder(job.id))) >= 4, "supervisor, agent, two ranks"
    studio.jobs.stop(job.id)
    job = studio.jobs.wait(job.id, 30)
    assert (job.state, job.devices) == (State.STOPPED, [])
    assert read_json(studio.jobs.folder(job.id).result_json)["status"] == "stopped"
    assert not living(studio.jobs.folder(job.id))


def test_the_server_may_be_killed_at_any_time(studio, serve):
    server = serve()
    long = studio.jobs.submit(train_spec("steps=70 pause=0.05"))
    short = studio.jobs.submit(train_spec("steps=20"))
    reaches(studio, long.id, State.RUNNING)
    reaches(studio, short.id, State.RUNNING)
    queued = studio.jobs.submit(train_spec("steps=3"))
    server.send_signal(signal.SIGKILL)
    server.wait()
    exit_json = studio.jobs.folder(short.id).attempt(1).exit_json
    until(exit_json.exists, what="the end of the short job, recorded while no server lives")
    assert studio.jobs.get(short.id).state == State.RUNNING, "nobody has looked yet"
    assert identity(studio.jobs.folder(long.id), "child").is_alive()
    began = time.monotonic()
    serve()
    reaches(studio, short.id, State.SUCCEEDED)
    assert time.monotonic() - began < 10, "a dead holder's lease is not waited out"
    reaches(studio, queued.id, State.SUCCEEDED)
    assert reaches(studio, long.id, State.SUCCEEDED).attempt == 1
    assert len(studio.jobs.metrics(long.id)["loss"]) == 70


def test_a_second_process_takes_over(studio, serve):
    server = serve()
    until(lambda: (studio.scheduler_holder() or {}).get("pid") == server.pid)
    studio.start()
    time.sleep(0.3)
    assert not studio.holds_lease
    server.kill()
    server.wait()
    until(lambda: studio.holds_lease, 10, "the lease")


def test_server_and_supervisor_killed_together(studio, serve):
    server = serve()
    job = studio.jobs.submit(train_spec("steps=45 pause=0.05"))
    reaches(studio, job.id, State.RUNNING)
    guard = identity(studio.jobs.folder(job.id), "supervisor")
    server.kill()
    guard.kill()
    server.wait()
    serve()
    job = studio.jobs.wait(job.id, 20)
    assert (job.state, job.attempt) == (State.SUCCEEDED, 1)
    assert read_json(studio.jobs.folder(job.id).attempt(1).exit_json)["adopted"]


def test_everything_killed_at_once_is_lost_and_resumes(studio):
    studio.start()
    job = studio.jobs.submit(train_spec("steps=60"))
    run = studio.jobs.folder(job.id)
    until(run.last_checkpoint)
    for process in living(run):
        process.kill()
    lost = studio.jobs.wait(job.id, 20)
    assert (lost.state, lost.failure, lost.devices) == (State.LOST, "lost", [])
    studio.jobs.resume(job.id)
    assert studio.jobs.wait(job.id, 20).state == State.SUCCEEDED
    assert studio.jobs.log(job.id)[0] != "begin at 0\n"


def test_after_a_restart_of_the_machine(studio):
    studio.start()
    job = studio.jobs.submit(train_spec("steps=2000"))
    run = studio.jobs.folder(job.id)
    reaches(studio, job.id, State.RUNNING)
    data = facts(run)
    guard, child = identity(run, "supervisor"), identity(run, "child")
    guard.kill()
    child.kill()  # and what a restart leaves: run.json of another boot
    write_json(run.attempt(1).run_json, {**data, "boot_id": "an earlier one"})
    job = studio.jobs.wait(job.id, 20)
    assert job.state == State.LOST and job.resumable


def test_rebuild_finds_a_running_job(studio, serve):
    server = serve()
    job = studio.jobs.submit(train_spec("steps=70 pause=0.03"))
    reaches(studio, job.id, State.RUNNING)
    server.kill()
    server.wait()
    assert studio.jobs.rebuild() == [job.id]
    view = studio.jobs.get(job.id)
    assert (view.state, view.devices, view.attempt) == (State.RUNNING, ["cpu:0"], 1)
    serve()
    assert reaches(studio, job.id, State.SUCCEEDED).devices == []


def test_delete_leaves_nothing(studio):
    studio.start()
    job = studio.jobs.submit(train_spec("steps=2"))
    studio.jobs.wait(job.id, 20)
    studio.jobs.delete(job.id)
    assert studio.jobs.list() == [] and not list(studio.runs.glob("train-*"))


def test_four_jobs_share_two_slots(studio):
    studio.start()
    ids = [studio.jobs.submit(train_spec("steps=10")).id for _ in range(4)]
    seen = set()
    while any(studio.jobs.get(i).active for i in ids):
        leased = [d["job"] for d in studio.jobs.devices() if d["job"]]
        assert len(leased) == len(set(leased)) <= 2
        seen.update(leased)
        time.sleep(0.05)
    assert {studio.jobs.get(i).state for i in ids} == {State.SUCCEEDED}
    assert seen == set(ids)
    assert json.loads(studio.jobs.get(ids[0]).model_dump_json())["state"] == "succeeded"
