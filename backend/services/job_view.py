"""A job as pages, commands and the API see it."""

import json
import time
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Connection, select

from backend.queue import queue_order
from backend.services.waiting import circumstances, waiting
from backend.store.tables import devices, jobs
from jobs.protocol.states import TERMINAL, State

RESUMABLE_KINDS = {"train", "convert", "prepare", "sample"}


class JobLine(BaseModel):
    """One job now, as a list shows it. Times are seconds since 1970."""

    id: str
    kind: str
    name: str
    state: State
    reason: str | None
    """Why it ended so, one or more sentences; of a job that waits for another try, why the last one did."""
    failure: str | None
    """A name of jobs.protocol.events.FAILURES."""
    remedy: str | None
    """What to change."""
    attempt: int
    created_at: float
    started_at: float | None
    ended_at: float | None
    step: int | None
    total: int | None
    seconds_left: float | None
    phase: str | None
    metrics: dict[str, float]
    """Newest value of each."""
    devices: list[str]
    folder: str
    resumable: bool
    queue_position: int | None
    """1 is next; None if it does not wait."""
    waiting: str | None
    """What a queued job waits for, or an active one in the queue of a batch system."""
    priority: int
    held: bool
    """It waits until somebody lets it go."""
    after: list[str]
    """Jobs that must have ended before it starts."""
    not_before: float | None
    """When the wait before its next try ends."""
    retries: int
    """How often it is tried again after failures."""
    retried: int
    """How often it was, since somebody last started it."""
    time_limit: float
    """Seconds that a try may run; 0: no limit."""
    group: str
    """The pipeline or sweep that it belongs to."""
    place: str
    """Which step or point of that it is."""
    ran_on: list[str]
    """Devices of its newest try; `devices` are those that it holds now."""
    tags: list[str]
    """In the order in which they were put on."""
    model: str
    """What it is about, by the name that people know; empty where there is none."""

    @property
    def active(self) -> bool:
        """Whether it has yet to end."""
        return self.state not in TERMINAL


class JobView(JobLine):
    """One job now, with all that is known of it."""

    spec: dict[str, Any]
    note: str
    """What people wrote about it."""
    last_lines: list[str]
    """The end of the log, once it has ended."""


LONG = ("spec", "note", "last_lines", "error")
LINE = tuple(column for column in jobs.columns if column.name not in LONG)
"""The columns of which a JobLine is made."""
_COPIED = (
    *("id", "kind", "name", "state", "reason", "failure", "remedy", "attempt", "created_at"),
    *("started_at", "ended_at", "step", "total", "seconds_left", "phase"),
    *("priority", "held", "not_before", "retries", "retried", "time_limit", "group", "place", "model"),
)


def build_views(conn: Connection, rows: Sequence[Any], runs: str, scheduled: bool) -> list[JobView]:
    """Views of whole `rows`. `scheduled`: whether any process schedules now."""
    lines = _lines(conn, rows, runs, scheduled)
    return [
        JobView(**line, spec=json.loads(row.spec), note=row.note, last_lines=json.loads(row.last_lines))
        for row, line in zip(rows, lines, strict=True)
    ]


def build_lines(conn: Connection, rows: Sequence[Any], runs: str, scheduled: bool) -> list[JobLine]:
    """The same of rows that have the columns of LINE."""
    return [JobLine(**line) for line in _lines(conn, rows, runs, scheduled)]


def _lines(conn: Connection, rows: Sequence[Any], runs: str, scheduled: bool) -> list[dict[str, Any]]:
    leased: dict[str, list[str]] = {}
    for device in conn.execute(
        select(devices).where(devices.c.job_id.is_not(None)).order_by(devices.c.position)
    ):
        leased.setdefault(device.job_id, []).append(device.id)
    positions: dict[str, int] = {}
    queued = [row for row in rows if row.state == State.QUEUED]
    there = circumstances(conn, queued, leased, scheduled, time.time())
    if queued:
        order = conn.execute(queue_order().with_only_columns(jobs.c.id)).scalars()
        positions = {job_id: place for place, job_id in enumerate(order, start=1)}
    return [
        {
            **{name: getattr(row, name) for name in _COPIED},
            "metrics": json.loads(row.latest),
            "devices": leased.get(row.id, []),
            "folder": f"{runs}/{row.id}",
            "resumable": is_resumable(row),
            "queue_position": positions.get(row.id),
            "waiting": waiting(row, there) if row.state == State.QUEUED else row.waiting,
            "after": json.loads(row.after),
            "ran_on": json.loads(row.ran_on),
            "tags": json.loads(row.tags),
        }
        for row in rows
    ]


def is_resumable(row: Any) -> bool:
    """Whether a new attempt would go on from here."""
    ended_early = row.state in (State.FAILED, State.STOPPED, State.LOST)
    return ended_early and row.kind in RESUMABLE_KINDS
