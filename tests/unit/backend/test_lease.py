"""One scheduler at a time."""

import json
import time

import pytest
from sqlalchemy import update

from backend.lease import SchedulerLease
from backend.store import Store
from backend.store.tables import leases


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "home")
    yield store
    store.close()


def rewrite(store, **changes):
    with store.write() as conn:
        conn.execute(update(leases).values(**changes))


def test_one_holds_the_other_waits(store):
    first, second = SchedulerLease(store), SchedulerLease(store)
    assert first.current() is None
    assert first.hold() and first.hold()
    assert not second.hold()
    assert second.current()["token"] == first.holder["token"]
    first.release()
    assert second.hold() and not first.hold()


def test_a_lease_that_ran_out_is_taken(store):
    first, second = SchedulerLease(store), SchedulerLease(store)
    assert first.hold()
    rewrite(store, expires_at=time.time() - 1)
    assert second.hold()
    first._renewed -= 60  # the first was frozen meanwhile
    assert not first.hold()
    with store.read() as conn:
        assert second.is_ours(conn) and not first.is_ours(conn)


def test_a_dead_holder_is_not_waited_for(store):
    first, second = SchedulerLease(store), SchedulerLease(store)
    assert first.hold()
    rewrite(store, holder=json.dumps({**first.holder, "start_ticks": 1}))  # the pid is another process's now
    assert second.hold()


def test_a_clock_set_back_does_not_lock_everybody_out(store):
    first, second = SchedulerLease(store), SchedulerLease(store)
    assert first.hold()
    rewrite(store, expires_at=time.time() + 86_400)
    assert second.hold()


def test_release_leaves_another_holder_alone(store):
    first, second = SchedulerLease(store), SchedulerLease(store)
    first.hold()
    rewrite(store, expires_at=0)
    second.hold()
    first.release()
    assert second.current()["token"] == second.holder["token"]
