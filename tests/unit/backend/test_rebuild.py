"""The database from the run folders."""

from backend.reconciler import Reconciler
from backend.scheduler import Scheduler
from jobs.executors import InlineExecutor
from jobs.protocol.events import EventWriter
from jobs.protocol.folder import write_json
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
            same = {"created_at": after[job_id].created_at}
            assert after[job_id] == job.model_copy(update=same)
            assert studio.jobs.metrics(job_id) == curves[job_id] == {"loss": [[4, 0.25]]}
        assert sorted(studio.jobs.rebuild()) == sorted(before), "may be repeated"


def test_what_had_not_begun_is_not_started(studio_home):
    with make_studio(studio_home, executor=InlineExecutor()) as studio:
        job = studio.jobs.submit(train_spec())
        studio.jobs.rebuild()
        assert studio.jobs.get(job.id).state == "stopped" and studio.jobs.get(job.id).resumable
