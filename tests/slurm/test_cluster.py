"""Jobs in a real Slurm cluster of two nodes on this machine."""

import pytest

from jobs.protocol.folder import read_json
from jobs.protocol.states import State
from tests.fakes.processes import living, until
from tests.fakes.programs import curve, training, write_sums
from tests.fakes.studio import train_spec

pytestmark = pytest.mark.slurm

PATIENCE = 60.0


def in_cluster(words: str, launcher: str = "python", nodes: int = 1, **slurm):
    """A spec of the fake trainer, which needs no GPU."""
    spec = train_spec(words, launcher=launcher, device="cpu")
    return spec | {"slurm": {"nodes": nodes, **slurm}}


def number(studio, job_id: str) -> str:
    """Slurm's number for a job, once it has one."""
    path = studio.jobs.folder(job_id).attempt(1).batch_json
    return until(lambda: read_json(path), what="Slurm's number")["id"]


def reaches(studio, job_id: str, state: State):
    until(lambda: studio.jobs.get(job_id).state == state, PATIENCE, f"{job_id} {state}")
    return studio.jobs.get(job_id)


def reaches_step(studio, job_id: str, step: int):
    until(lambda: (studio.jobs.get(job_id).step or 0) >= step, PATIENCE, f"step {step} of {job_id}")


@pytest.mark.parametrize("launcher", ["torchrun", "deepspeed"])
def test_a_training_on_two_nodes_comes_to_its_end(make, cluster, tmp_path, launcher):
    studio = make()
    spec = training(tmp_path, write_sums(tmp_path), steps=4).spec()
    spec |= {"launcher": {"name": launcher, "device": "cpu", "check_memory": False}}
    spec |= {"slurm": {"nodes": 2, "cpus": 1}}
    job = studio.jobs.submit(spec)
    ended = studio.jobs.wait(job.id, 180)
    run = studio.jobs.folder(job.id)
    assert ended.state == State.SUCCEEDED, (ended.reason, studio.jobs.log(job.id)[0][-2000:])
    assert sorted(curve(run)) == [1, 2, 3, 4], "told once, by rank 0 of two"
    assert (run.model / "model.safetensors").exists()
    assert cluster.job(number(studio, job.id))["NumNodes"] == "2"
    assert not living(run)


def test_a_stop_saves_and_a_resume_goes_on(studio, cluster):
    job = studio.jobs.submit(in_cluster("steps=4000", "torchrun", nodes=2))
    reaches_step(studio, job.id, 6)
    running = studio.jobs.get(job.id)
    assert (running.state, running.phase, running.devices) == (State.RUNNING, "training in 2", [])
    assert not any(device["job"] for device in studio.jobs.devices()), "nothing of this machine is taken"
    studio.jobs.stop(job.id)
    stopped = studio.jobs.wait(job.id, PATIENCE)
    run = studio.jobs.folder(job.id)
    assert (stopped.state, stopped.reason) == (State.STOPPED, "Stopped on request.")
    last = studio.jobs.checkpoints(job.id)[-1]["step"]
    assert last >= 6 and not living(run)
    studio.jobs.resume(job.id)
    reaches_step(studio, job.id, last + 1)
    assert studio.jobs.get(job.id).attempt == 2
    assert f"begin at {last}" in studio.jobs.log(job.id)[0]
    studio.jobs.stop(job.id)
    assert studio.jobs.wait(job.id, PATIENCE).state == State.STOPPED


def test_what_waits_in_slurms_queue_says_why_and_can_be_stopped(studio, cluster):
    first = studio.jobs.submit(in_cluster("steps=4000", lines=["--exclusive"], nodes=1, cpus=2))
    second = studio.jobs.submit(in_cluster("steps=4000", lines=["--exclusive"], nodes=1, cpus=2))
    third = studio.jobs.submit(in_cluster("steps=3", nodes=1, cpus=2))
    for job in (first, second):
        reaches_step(studio, job.id, 1)
    waiting = number(studio, third.id)
    says = f"Waits in Slurm's queue as job {waiting} (Resources)."
    until(lambda: studio.jobs.get(third.id).waiting == says, PATIENCE, says)
    assert studio.jobs.get(third.id).state == State.STARTING
    studio.jobs.stop(third.id)
    stopped = studio.jobs.wait(third.id, PATIENCE)
    assert (stopped.state, stopped.reason) == (State.STOPPED, "Stopped before it began.")
    assert cluster.job(waiting)["JobState"] == "CANCELLED"
    cluster.run("scancel", number(studio, first.id))  # by hand
    cancelled = studio.jobs.wait(first.id, PATIENCE)
    assert cancelled.state == State.STOPPED and "Slurm" in str(cancelled.reason)
    cluster.run("scancel", "--full", "--signal=KILL", number(studio, second.id))
    killed = studio.jobs.wait(second.id, PATIENCE)
    assert killed.state in (State.STOPPED, State.FAILED) and killed.reason
    for job in (first, second):
        assert not living(studio.jobs.folder(job.id))


def test_while_the_controller_is_away_nothing_is_judged(studio, cluster):
    long = studio.jobs.submit(in_cluster("steps=4000"))
    short = studio.jobs.submit(in_cluster("steps=150 pause=0.1"))
    reaches_step(studio, long.id, 1)
    reaches_step(studio, short.id, 1)
    cluster.stop_controller()
    says = "Slurm does not answer"
    until(lambda: says in (studio.jobs.get(long.id).waiting or ""), PATIENCE, says)
    late = studio.jobs.submit(in_cluster("steps=3"))
    ended = reaches(studio, short.id, State.SUCCEEDED)
    assert ended.attempt == 1, "its end lies in the run folder"
    until(lambda: says in (studio.jobs.get(late.id).waiting or ""), PATIENCE, "the late one waits")
    assert studio.jobs.get(long.id).state == State.RUNNING
    cluster.start_controller()
    until(lambda: studio.jobs.get(long.id).waiting is None, PATIENCE, "the controller is back")
    assert reaches(studio, late.id, State.SUCCEEDED).attempt <= 2
    assert studio.jobs.get(long.id).state == State.RUNNING
    studio.jobs.stop(long.id)
    assert studio.jobs.wait(long.id, PATIENCE).reason == "Stopped on request."


def test_at_its_time_limit_it_saves_and_slurm_starts_it_again(studio, cluster):
    spec = in_cluster("steps=400 pause=0.05", at_time_limit="requeue", time_limit="10")
    job = studio.jobs.submit(spec)
    reaches_step(studio, job.id, 6)
    mine = number(studio, job.id)
    cluster.run("scancel", "--batch", "--signal=USR1", mine)  # what --signal=B:USR1@120 sends
    until(lambda: cluster.job(mine).get("Restarts") == "1", PATIENCE, "the requeue")
    until(
        lambda: "Slurm's queue" in (studio.jobs.get(job.id).waiting or ""), PATIENCE, "its place in the queue"
    )
    assert studio.jobs.get(job.id).state == State.RUNNING
    saved = studio.jobs.checkpoints(job.id)[-1]["step"]
    until(lambda: cluster.job(mine)["JobState"] == "PENDING", PATIENCE)
    cluster.run("scontrol", "update", f"JobId={mine}", "StartTime=now")  # Slurm would wait two minutes
    ended = studio.jobs.wait(job.id, PATIENCE)
    assert (ended.state, ended.attempt, ended.step) == (State.SUCCEEDED, 1, 400), ended.reason
    assert f"begin at {saved}" in studio.jobs.log(job.id)[0], "in the same attempt and log"


def test_a_stop_by_slurm_alone_is_told_as_such(studio, cluster):
    job = studio.jobs.submit(in_cluster("steps=4000"))
    reaches_step(studio, job.id, 6)
    cluster.run("scancel", "--batch", "--signal=USR1", number(studio, job.id))
    stopped = studio.jobs.wait(job.id, PATIENCE)
    assert stopped.state == State.STOPPED and str(stopped.reason).startswith("Slurm asked it to stop")
    assert studio.jobs.checkpoints(job.id)


@pytest.mark.parametrize(
    ("slurm", "says"),
    [
        ({"partition": "nowhere"}, "invalid partition specified: nowhere"),
        ({"lines": ["--no-such-option"]}, "unrecognized option"),
    ],
)
def test_what_slurm_refuses_is_told_in_its_words(studio, slurm, says):
    job = studio.jobs.submit(in_cluster("steps=3", **slurm))
    failed = studio.jobs.wait(job.id, PATIENCE)
    assert (failed.state, failed.failure) == (State.FAILED, "resource") and says in failed.reason


def test_a_second_server_finds_the_jobs_of_the_first(make, cluster, studio_home):
    from tests.fakes.studio import PROGRAMS

    first = make(PROGRAMS)
    job = first.jobs.submit(in_cluster("steps=100 pause=0.05"))
    reaches_step(first, job.id, 1)
    first.close()
    second = make(PROGRAMS)
    assert second.jobs.rebuild() == [job.id]
    assert second.jobs.get(job.id).state == State.RUNNING
    assert reaches(second, job.id, State.SUCCEEDED).attempt == 1
