"""Stop is honest: once a job is stopped nothing of it lives and its devices are free, within the grace that
was asked for, whatever the program does against it."""

import time

import pytest

from jobs.protocol.identity import ProcessIdentity
from jobs.protocol.states import State
from tests.fakes.processes import identity, living, start_server, until
from tests.fakes.studio import PROGRAMS, LightExecutor, make_studio, train_spec
from tests.fakes.witness import heard

pytestmark = pytest.mark.chaos

GRACE = 2.0
LATE = 6.0  # until the supervisor looks (0.25 s) and the server does (0.5 s), on a very busy machine
RESISTING = {
    "ignores SIGTERM": "deaf=1",
    "hangs": "deaf=1 hang=1",
    "leaves a child in another session": "deaf=1 orphan=1",
    "leaves a grandchild without an environment": "deaf=1 escape=1",
    "goes on forking": "deaf=1 breed=1",
    "floods its log": "deaf=1 flood=10",
    "has two ranks": "deaf=1 escape=1 processes=2",
}


@pytest.fixture
def studio(studio_home):
    with make_studio(studio_home, LightExecutor(PROGRAMS), cpu=8) as studio:
        server = start_server(studio_home, cpu=8)
        yield studio
        server.kill()
        server.wait()


def submit(studio, words):
    ranks = {"launcher": "torchrun", "processes": 2} if "processes=2" in words else {}
    return studio.jobs.submit(train_spec(f"steps=100000 {words} watched=1", device="cpu", **ranks)).id


def until_nasty(studio, job_id):
    """What its words say happens at step 5."""
    until(lambda: (studio.jobs.get(job_id).step or 0) >= 5, 30, f"step 5 of {job_id}")
    time.sleep(0.3)


def assert_gone(studio, job_id):
    """Stopped, and nothing that ever was of it lives."""
    job, run = studio.jobs.get(job_id), studio.jobs.folder(job_id)
    assert (job.state, job.devices) == (State.STOPPED, []), job
    told = [ProcessIdentity.from_dict(t["process"]) for t in heard(studio.home) if t["job"] == job_id]
    assert told and not [process for process in told if process.is_alive()] and not living(run)


def seconds_to_stop(studio, job_id, grace):
    """From the request to the row's word, nothing alive by then."""
    asked = time.monotonic()
    studio.jobs.stop(job_id, grace=grace)
    until(lambda: not studio.jobs.get(job_id).active, 60, "the end")
    took = time.monotonic() - asked
    assert_gone(studio, job_id)
    return took


def test_nothing_outlives_the_grace(studio):
    ids = {kind: submit(studio, words) for kind, words in RESISTING.items()}
    for job_id in ids.values():
        until_nasty(studio, job_id)
    took, asked = {}, {}
    for kind, job_id in ids.items():
        asked[kind] = time.monotonic()
        studio.jobs.stop(job_id, grace=GRACE)
    while len(took) < len(ids):
        for kind, job_id in ids.items():
            if kind not in took and not studio.jobs.get(job_id).active:
                took[kind] = round(time.monotonic() - asked[kind], 2)
                assert_gone(studio, job_id)
        assert time.monotonic() - max(asked.values()) < 60, took
    print(f"seconds of {GRACE}: {took}")
    assert max(took.values()) < GRACE + LATE, took
    assert all(device["job"] is None for device in studio.jobs.devices())


def test_who_listens_leaves_at_once(studio):
    job_id = submit(studio, "")
    until_nasty(studio, job_id)
    assert seconds_to_stop(studio, job_id, 60) < LATE


def test_half_a_checkpoint_gets_more_time_but_not_for_ever(studio):
    job_id = submit(studio, "deaf=1 half=600")
    until(studio.jobs.folder(job_id).half_written)
    assert 4 * 0.9 < seconds_to_stop(studio, job_id, 0.4) < 4 + LATE, "ten times the grace"


def test_a_stop_outlives_the_supervisor(studio):
    job_id = submit(studio, "deaf=1 escape=1")
    until_nasty(studio, job_id)
    studio.jobs.stop(job_id, grace=1)
    identity(studio.jobs.folder(job_id), "supervisor").kill()
    assert seconds_to_stop(studio, job_id, 1) < 1 + 2 * LATE, "the next supervisor counts anew"
