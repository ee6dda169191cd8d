"""One function moves jobs, and only along the table."""

import itertools
import time

import pytest
from sqlalchemy import insert, select

from backend.store import Store, lease_devices, move
from backend.store.tables import devices, jobs
from jobs.protocol.states import ACTIVE, TERMINAL, TRANSITIONS, State, may_move


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "home")
    yield store
    store.close()


def add(store, job_id="train-0001", state=State.QUEUED, attempt=0):
    row = {"id": job_id, "kind": "train", "name": "", "state": state.value, "spec": "{}", "device": "cpu"}
    row |= {"processes": 1, "created_at": time.time(), "queued_at": time.time(), "attempt": attempt}
    with store.write() as conn:
        conn.execute(insert(jobs).values(row))


def state_of(store, job_id="train-0001"):
    with store.read() as conn:
        return conn.execute(select(jobs.c.state).where(jobs.c.id == job_id)).scalar_one()


def test_every_pair_of_states(store):
    for number, (old, new) in enumerate(itertools.product(State, State)):
        job_id = f"train-{number:04d}"
        add(store, job_id, old)
        with store.write() as conn:
            moved = move(conn, job_id, new)
        assert moved == may_move(old, new), (old, new)
        assert state_of(store, job_id) == (new if moved else old)


def test_the_table_is_whole():
    assert set(TRANSITIONS) == set(State)
    assert ACTIVE | TERMINAL | {State.QUEUED} == set(State)
    for state in TERMINAL:
        assert TRANSITIONS[state] == {State.QUEUED}, "a finished job comes back only as a new attempt"


def test_a_stale_attempt_moves_nothing(store):
    add(store, state=State.RUNNING, attempt=2)
    with store.write() as conn:
        assert not move(conn, "train-0001", State.FAILED, at_attempt=1)
        assert move(conn, "train-0001", State.FAILED, at_attempt=2, reason="so")


def test_an_end_gives_the_devices_back_and_nothing_else_does(store):
    add(store, state=State.STARTING)
    with store.write() as conn:
        for i in range(3):
            conn.execute(insert(devices).values(id=f"cpu:{i}", kind="cpu", label="", position=i))
        assert lease_devices(conn, "train-0001", ["cpu:0", "cpu:2"])

    def leased():
        with store.read() as conn:
            return list(conn.execute(select(devices.c.id).where(devices.c.job_id == "train-0001")).scalars())

    for state in (State.RUNNING, State.STOPPING):
        with store.write() as conn:
            assert move(conn, "train-0001", state)
        assert leased() == ["cpu:0", "cpu:2"]
    with store.write() as conn:
        assert move(conn, "train-0001", State.STOPPED)
    assert leased() == []


def test_a_leased_device_cannot_be_leased_again(store):
    add(store, "train-0001")
    add(store, "train-0002")
    with store.write() as conn:
        conn.execute(insert(devices).values(id="cpu:0", kind="cpu", label="", position=0))
        assert lease_devices(conn, "train-0001", ["cpu:0"])
        assert not lease_devices(conn, "train-0002", ["cpu:0"])
