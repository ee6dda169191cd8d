"""Who schedules: one process at a time, by a lease in the database that others take when its holder dies."""

import json
import os
import time
import uuid

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from backend.store import Store
from backend.store.tables import leases
from jobs.protocol.identity import ProcessIdentity

NAME = "scheduler"
LEASE_SECONDS = 15.0
RENEW_SECONDS = 4.0


class SchedulerLease:
    """One holder's view of the lease. `holder` is {token, pid, start_ticks, boot_id}."""

    def __init__(self, store: Store):
        self.store = store
        me = ProcessIdentity.of(os.getpid())
        self.holder = {"token": uuid.uuid4().hex, **(me.to_dict() if me else {})}
        self._renewed = 0.0

    def hold(self) -> bool:
        """Take or keep the lease; True while it is ours. Writes at most every few seconds."""
        if self._renewed and time.monotonic() - self._renewed < RENEW_SECONDS:
            return True
        current = self.current()  # a look first: who only waits must not write
        if current is not None and current["token"] != self.holder["token"]:
            self._renewed = 0.0
            return False
        with self.store.write() as conn:
            current = _read(conn)
            if current is not None and current["token"] != self.holder["token"] and _valid(current):
                self._renewed = 0.0
                return False
            values = {"holder": json.dumps(self.holder), "expires_at": time.time() + LEASE_SECONDS}
            row = insert(leases).values(name=NAME, **values)
            conn.execute(row.on_conflict_do_update(index_elements=["name"], set_=values))
        self._renewed = time.monotonic()
        return True

    def is_ours(self, conn: Connection) -> bool:
        """For use inside a transaction that must not happen under two schedulers."""
        current = _read(conn)
        return current is not None and current["token"] == self.holder["token"]

    def current(self) -> dict | None:
        """The living holder, ours or not; None if nobody schedules."""
        with self.store.read() as conn:
            current = _read(conn)
        return current if current is not None and _valid(current) else None

    def release(self) -> None:
        """Let another process take over at once."""
        if not self._renewed:
            return
        self._renewed = 0.0
        with self.store.write() as conn:
            if self.is_ours(conn):
                conn.execute(delete(leases).where(leases.c.name == NAME))


def _read(conn: Connection) -> dict | None:
    row = conn.execute(select(leases).where(leases.c.name == NAME)).one_or_none()
    return None if row is None else {**json.loads(row.holder), "expires_at": row.expires_at}


def _valid(holder: dict) -> bool:
    """Not run out, and its process still lives: a killed server need not be waited for."""
    now = time.time()
    if not now < holder["expires_at"] <= now + 2 * LEASE_SECONDS:  # far ahead: the clock was set back
        return False
    return "pid" not in holder or ProcessIdentity.from_dict(holder).is_alive()
