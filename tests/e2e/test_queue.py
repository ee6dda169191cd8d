"""The rules of the queue with real processes, and the queue again without its database."""

import pytest

from jobs.protocol.folder import RunFolder
from jobs.protocol.states import State
from tests.fakes.processes import identity, living, reaches, until
from tests.fakes.queue import order, submit
from tests.fakes.studio import make_studio

pytestmark = pytest.mark.e2e


def test_a_further_try_goes_on_from_the_last_checkpoint(studio):
    studio.start()
    job_id = submit(studio, "steps=12 exit=3", retries=2, retry_wait=0.2)
    after = submit(studio, "steps=2", after=[job_id])
    job = reaches(studio, job_id, State.SUCCEEDED)
    assert (job.attempt, job.retried, job.reason) == (2, 1, None)
    assert studio.jobs.log(job_id)[0] == "begin at 5\n"
    assert reaches(studio, after, State.SUCCEEDED).started_at >= job.ended_at


def test_a_job_that_outlasts_its_time_limit_saves_and_ends(studio):
    studio.start()
    job_id = submit(studio, "steps=4000 pause=0.01", time_limit=1)
    job = reaches(studio, job_id, State.STOPPED)
    assert "time limit of 1 s" in job.reason and not living(studio.jobs.folder(job_id))
    assert studio.jobs.checkpoints(job_id)[-1]["step"] == job.step


def test_a_lost_job_comes_back_by_itself(studio):
    studio.start()
    job_id = submit(studio, "steps=60", resume_lost=True)
    run = studio.jobs.folder(job_id)
    until(run.last_checkpoint)
    for process in living(run):
        process.kill()
    job = reaches(studio, job_id, State.SUCCEEDED)
    assert job.attempt == 2 and studio.jobs.log(job_id)[0] != "begin at 0\n"


def test_without_its_database_the_home_loses_no_run(studio, serve, studio_home):
    server = serve()
    runs = [submit(studio, "steps=150 pause=0.05") for _ in range(2)]
    for job_id in runs:
        reaches(studio, job_id, State.RUNNING)
    orphan = runs[1]
    first, second = submit(studio, "steps=2"), submit(studio, "steps=2")
    held, later = submit(studio, hold=True), submit(studio, "steps=2", after=[runs[0]])
    studio.queue.move(second, to="top")
    before = order(studio)
    studio.close()
    for path in studio_home.glob("studio.db*"):
        path.unlink()
    server.kill()
    server.wait()
    identity(RunFolder(studio.runs / orphan), "supervisor").kill()
    serve()
    with make_studio(studio_home) as again:
        until(lambda: len(again.jobs.list()) == 6, what="all runs listed again")
        assert order(again) == before and before[0] == second
        for job_id in runs:
            job = again.jobs.get(job_id)
            assert (job.state, job.attempt, len(job.devices)) == (State.RUNNING, 1, 1)
        for job_id in (*runs, first, second, later):
            assert reaches(again, job_id, State.SUCCEEDED).attempt == 1
        assert again.jobs.get(held).held


def test_a_server_whose_database_was_deleted_starts_nothing_more(studio, studio_home):
    studio.start()
    until(lambda: studio.holds_lease, what="the lease")
    for path in studio_home.glob("studio.db*"):
        path.unlink()
    with make_studio(studio_home) as other:  # makes a new database
        job_id = submit(other)
        until(lambda: "deleted or replaced" in (studio.trouble or ""), what="the server's word")
        other.start()
        assert reaches(other, job_id, State.SUCCEEDED).attempt == 1
