"""The clock is set back by an hour while jobs wait, run and end."""

import os
import time

import pytest

from jobs.protocol.states import State
from tests.fakes.processes import living, until
from tests.fakes.studio import make_studio, train_spec
from tests.fakes.witness import heard

pytestmark = pytest.mark.chaos
HOUR = 3600.0


@pytest.fixture
def set_back(monkeypatch):
    """Call it, and this process believes that it is an hour ago; supervisors and programs do not."""
    true = time.time
    return lambda: monkeypatch.setattr(time, "time", lambda: true() - HOUR)


def test_jobs_end_and_start_as_if_nothing_had_happened(studio_home, set_back):
    with make_studio(studio_home) as first, make_studio(studio_home) as second:
        first.start()
        second.start()
        running = first.jobs.submit(train_spec("steps=100 watched=1")).id
        again = first.jobs.submit(
            {**train_spec("steps=10 exit=3 watched=1"), "queue": {"retries": 1, "retry_wait": 0.2}}
        ).id
        until(lambda: (first.jobs.get(running).step or 0) > 5)
        set_back()
        later = first.jobs.submit(train_spec("steps=5 watched=1")).id
        for job_id in (running, again, later):
            job = first.jobs.wait(job_id, 30)
            assert (job.state, job.devices) == (State.SUCCEEDED, []), job
        assert first.holds_lease != second.holds_lease, "one of them schedules"
        tries = sorted((t["job"], t["attempt"]) for t in heard(studio_home))
        assert tries == sorted([(running, 1), (again, 1), (again, 2), (later, 1)])


def test_files_from_the_future_do_not_put_off_a_stop(studio_home):
    with make_studio(studio_home) as studio:
        studio.start()
        job = studio.jobs.submit(train_spec("steps=100000 deaf=1"))
        until(lambda: (studio.jobs.get(job.id).step or 0) > 5)
        half = studio.jobs.folder(job.id).checkpoints / "checkpoint-7"
        half.mkdir()
        (half / "model.safetensors").touch()
        for path in (half / "model.safetensors", half):
            os.utime(path, (time.time() + HOUR,) * 2)
        asked = time.monotonic()
        studio.jobs.stop(job.id, grace=1)
        assert studio.jobs.wait(job.id, 30).state == State.STOPPED
        assert time.monotonic() - asked < 5 and not living(studio.jobs.folder(job.id))
