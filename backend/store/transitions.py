"""The only place that changes the state of a job, and the leases that go with it."""

from typing import Any

from sqlalchemy import Connection, update

from backend.store.tables import devices, jobs
from jobs.protocol.states import TERMINAL, TRANSITIONS, State

FRESH: dict[str, Any] = {  # what a new try begins with
    **dict.fromkeys(("reason", "failure", "remedy", "ended_at", "stop_grace", "stop_reason", "error")),
    **dict.fromkeys(("phase", "seconds_left", "not_before")),
    "last_lines": "[]",
}


def move(conn: Connection, job_id: str, new: State, *, at_attempt: int | None = None, **fields: Any) -> bool:
    """Put a job into `new`, with other columns in `fields`, if the table of transitions allows it.

    With `at_attempt`, only if the job is still at that attempt. A job that ends gives its devices back.
    Returns False, and changes nothing, if it is not allowed.
    """
    allowed = [state.value for state, targets in TRANSITIONS.items() if new in targets]
    guard = (jobs.c.id == job_id) & jobs.c.state.in_(allowed)
    if at_attempt is not None:
        guard &= jobs.c.attempt == at_attempt
    moved = conn.execute(update(jobs).where(guard).values(state=new.value, **fields)).rowcount == 1
    if moved and new in TERMINAL:
        release_devices(conn, job_id)
    return moved


def lease_devices(conn: Connection, job_id: str, wanted: list[str]) -> bool:
    """Lease all of `wanted`, or none. The caller's transaction must roll back on False."""
    free = devices.c.id.in_(wanted) & devices.c.job_id.is_(None)
    return conn.execute(update(devices).where(free).values(job_id=job_id)).rowcount == len(wanted)


def release_devices(conn: Connection, job_id: str) -> None:
    """Give back whatever the job leases. Only when nothing of it runs any more."""
    conn.execute(update(devices).where(devices.c.job_id == job_id).values(job_id=None))
