"""One checkpoint of a run deleted."""

import shutil

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from backend.api.app import create_app
from backend.store.tables import jobs
from jobs.protocol.errors import JobError
from jobs.protocol.folder import write_json
from tests.fakes.studio import train_spec


@pytest.fixture
def run(studio):
    """A stopped training with whole checkpoints of steps 10, 20 and 30, and half of one of step 40."""
    job = studio.jobs.submit(train_spec("saved"))
    studio.jobs.stop(job.id)
    root = studio.jobs.folder(job.id).checkpoints
    for step in (10, 20, 30, 40):
        (root / f"checkpoint-{step}").mkdir(parents=True)
    for step in (10, 20, 30):
        write_json(root / f"checkpoint-{step}" / "trainer_state.json", {})
    return job.id


def steps(studio, run):
    return [one["step"] for one in studio.jobs.checkpoints(run)]


def measured(studio, monkeypatch, *losses):
    monkeypatch.setattr(studio.jobs, "metrics", lambda *_: {"validation_loss": [*map(list, losses)]})


def under_way(studio, run):
    with studio.store.write() as conn:
        conn.execute(update(jobs).where(jobs.c.id == run).values(state="running"))


def test_what_nobody_needs_goes_with_its_folder_and_nothing_else(studio, run):
    for step in (10, 40):
        studio.checkpoint_removal.remove(run, step)
    assert steps(studio, run) == [20, 30]
    assert not [*studio.runs.glob(".deleted-*")]
    with pytest.raises(JobError, match="no checkpoint of step 10; it has 20, 30"):
        studio.checkpoint_removal.remove(run, 10)


def test_the_last_and_the_best_go_only_by_word(studio, run, monkeypatch):
    measured(studio, monkeypatch, (5, 3.0), (20, 1.0), (30, 2.0))
    assert [studio.checkpoint_removal.merits(run, step) for step in (10, 20, 30, 40)] == [
        [],
        ["the best"],
        ["the last"],
        [],
    ]
    with pytest.raises(JobError, match="step 20 is the best of"):
        studio.checkpoint_removal.remove(run, 20)
    with pytest.raises(JobError, match="step 30 is the last of"):
        studio.checkpoint_removal.remove(run, 30)
    studio.checkpoint_removal.remove(run, 20, sure=True)
    studio.checkpoint_removal.remove(run, 30, sure=True)
    assert steps(studio, run) == [10, 40]


def test_one_that_lies_elsewhere_stays_with_its_link(studio, run, tmp_path):
    link = studio.jobs.folder(run).checkpoints / "checkpoint-10"
    link.rename(tmp_path / "moved")
    link.symlink_to(tmp_path / "moved")
    with pytest.raises(JobError, match="is a link to"):
        studio.checkpoint_removal.remove(run, 10)
    assert steps(studio, run) == [10, 20, 30, 40]


def test_one_that_goes_while_they_are_listed_is_no_error(studio, run, monkeypatch):
    def goes(path):
        if path.name == "checkpoint-20":  # the training keeps only the newest
            shutil.rmtree(path)
        return True

    monkeypatch.setattr("backend.services.jobs.is_whole", goes)
    assert steps(studio, run) == [10, 30, 40]


@pytest.mark.parametrize("step", [30, 40])
def test_of_a_run_under_way_the_newest_and_what_is_being_written_stay(studio, run, step):
    under_way(studio, run)
    with pytest.raises(JobError, match="has not ended"):
        studio.checkpoint_removal.remove(run, step, sure=True)
    studio.checkpoint_removal.remove(run, 10)
    assert steps(studio, run) == [20, 30, 40]


def test_what_a_job_waits_to_read_stays_until_that_has_ended(studio, run):
    path = studio.jobs.folder(run).checkpoints / "checkpoint-10"
    child = studio.jobs.submit({**train_spec("child"), "model": {"path": str(path)}}).id
    with pytest.raises(JobError, match=f"{child} needs the checkpoint of step 10"):
        studio.checkpoint_removal.remove(run, 10, sure=True)
    studio.checkpoint_removal.remove(run, 20)  # another one
    studio.jobs.stop(child)
    studio.checkpoint_removal.remove(run, 10)
    assert steps(studio, run) == [30, 40]


def test_the_api_refuses_and_deletes(studio, run):
    client = TestClient(create_app(studio), base_url="http://localhost")
    assert client.delete(f"/api/jobs/{run}/checkpoints/30").status_code == 409
    assert client.delete(f"/api/jobs/{run}/checkpoints/30?sure=true").json() == {"deleted": 30}
    assert client.delete("/api/jobs/train-9999/checkpoints/1").status_code == 404
