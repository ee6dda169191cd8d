"""Whose turn it is, and what a queued job waits for besides devices."""

import json
import time
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, func, select

from backend.store.tables import jobs
from jobs.protocol.states import TERMINAL, State
from jobs.specs.job import JobSpec

RANK_STEP = 1e-3  # between jobs that come at the same moment
ENDS = {
    State.FAILED: "failed",
    State.STOPPED: "was stopped",
    State.LOST: "was lost",
}


def queue_columns(spec: JobSpec) -> dict[str, Any]:
    """The columns that a spec fills when its job is submitted."""
    rules = spec.queue
    return {
        "priority": spec.priority,
        "held": int(rules.hold),
        "after": json.dumps(list(dict.fromkeys(rules.after))),
        "continue_on_error": int(rules.continue_on_error),
        "time_limit": rules.time_limit,
        "group": rules.group,
        "place": rules.place,
    }


def queue_order():
    """Queued jobs as they will start: priority, then rank (when they came, unless moved), then id."""
    return (
        select(jobs)
        .where(jobs.c.state == State.QUEUED)
        .order_by(jobs.c.priority.desc(), jobs.c.rank, jobs.c.id)
    )


def last_rank(conn: Connection) -> float:
    """A rank behind every queued job, also when the clock was set back."""
    last = conn.execute(select(func.max(jobs.c.rank)).where(jobs.c.state == State.QUEUED)).scalar()
    return max(time.time(), (last or 0.0) + RANK_STEP)


def earlier_states(conn: Connection, rows: Iterable[Any]) -> dict[str, str]:
    """{id: state} of every job that one of `rows` comes after. What is gone is left out."""
    wanted = {job_id for row in rows for job_id in json.loads(row.after)}
    if not wanted:
        return {}
    query = select(jobs.c.id, jobs.c.state).where(jobs.c.id.in_(wanted))
    return {row.id: row.state for row in conn.execute(query)}


def followers(conn: Connection, job_id: str) -> list[str]:
    """Queued jobs that come after `job_id`."""
    query = select(jobs.c.id, jobs.c.after).where(jobs.c.state == State.QUEUED, jobs.c.after != "[]")
    return [row.id for row in conn.execute(query) if job_id in json.loads(row.after)]


def unfinished(row: Any, states: dict[str, str]) -> list[str]:
    """The jobs of `after` that have yet to end."""
    return [i for i in json.loads(row.after) if states.get(i, State.FAILED) not in TERMINAL]


def spoiled_by(row: Any, states: dict[str, str]) -> str | None:
    """The first job of `after` that ended without success or is gone, where that matters to `row`."""
    if row.continue_on_error:
        return None
    return next(
        (i for i in json.loads(row.after) if states.get(i, State.LOST) in TERMINAL - {State.SUCCEEDED}), None
    )


def never_comes(row: Any, states: dict[str, str], now: float) -> dict[str, Any] | None:
    """The columns with which a job ends because one before it did not succeed; None if it may come."""
    earlier = spoiled_by(row, states)
    if earlier is None:
        return None
    if earlier in states:
        what, remedy = ENDS[State(states[earlier])], f"Resume {earlier} and then this job."
    else:
        what, remedy = "is not there any more", "Submit it again without that job in queue.after."
    return {
        "reason": f"Not started: it comes after {earlier}, which {what}.",
        "failure": None,
        "remedy": remedy + " With queue.continue_on_error it starts all the same.",
        "ended_at": now,
    }


def is_ready(row: Any, states: dict[str, str], now: float) -> bool:
    """Whether a queued job waits for nothing but devices."""
    if row.held or (row.not_before is not None and row.not_before > now):
        return False
    return not unfinished(row, states)


def words_of(seconds: float) -> str:
    """A stretch of time as people say it."""
    if seconds < 120:
        return f"{seconds:g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
