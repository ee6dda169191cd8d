"""A job as pages, commands and the API see it."""

import json
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Connection, select

from backend.queue import queue_order
from backend.scheduler import count_devices
from backend.store.tables import devices, jobs
from jobs.protocol.states import TERMINAL, State

RESUMABLE_KINDS = {"train", "convert", "sample"}


class JobView(BaseModel):
    """One job now. Times are seconds since 1970."""

    id: str
    kind: str
    name: str
    state: State
    reason: str | None
    """Why it ended so, one or more sentences; None while all is well."""
    failure: str | None
    """A name of jobs.protocol.events.FAILURES."""
    remedy: str | None
    """What to change."""
    last_lines: list[str]
    """The end of the log, once it has ended."""
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
    spec: dict[str, Any]
    resumable: bool
    queue_position: int | None
    """1 is next; None if it does not wait."""
    waiting: str | None
    """What a queued job waits for."""

    @property
    def active(self) -> bool:
        """Whether it has yet to end."""
        return self.state not in TERMINAL


def build_views(conn: Connection, rows: list[Any], runs: str, scheduled: bool) -> list[JobView]:
    """Views of `rows`. `scheduled`: whether any process schedules now."""
    leased: dict[str, list[str]] = {}
    for device in conn.execute(
        select(devices).where(devices.c.job_id.is_not(None)).order_by(devices.c.position)
    ):
        leased.setdefault(device.job_id, []).append(device.id)
    positions: dict[str, int] = {}
    has_gpus = count_devices(conn, "cuda") > 0
    if any(row.state == State.QUEUED for row in rows):
        order = conn.execute(queue_order().with_only_columns(jobs.c.id)).scalars()
        positions = {job_id: place for place, job_id in enumerate(order, start=1)}
    views = []
    for row in rows:
        waiting = _waiting(row, leased, has_gpus, scheduled) if row.state == State.QUEUED else None
        views.append(
            JobView(
                **{name: getattr(row, name) for name in _COPIED},
                last_lines=json.loads(row.last_lines),
                metrics=json.loads(row.latest),
                devices=leased.get(row.id, []),
                folder=f"{runs}/{row.id}",
                spec=json.loads(row.spec),
                resumable=is_resumable(row),
                queue_position=positions.get(row.id),
                waiting=waiting,
            )
        )
    return views


_COPIED = (
    *("id", "kind", "name", "state", "reason", "failure", "remedy", "attempt", "created_at"),
    *("started_at", "ended_at", "step", "total", "seconds_left", "phase"),
)


def is_resumable(row: Any) -> bool:
    """Whether a new attempt would go on from here."""
    ended_early = row.state in (State.FAILED, State.STOPPED, State.LOST)
    return ended_early and row.kind in RESUMABLE_KINDS


def _waiting(row: Any, leased: dict[str, list[str]], has_gpus: bool, scheduled: bool) -> str:
    if not scheduled:
        return "No server is running to start it: start one with `studio launch`."
    kind = ("cuda" if has_gpus else "cpu") if row.device == "auto" else row.device
    holders = [f"{job} ({', '.join(ids)})" for job, ids in leased.items() if ids[0].startswith(kind)]
    if not row.processes or not holders:
        return "Starts in a moment."
    what = "GPU" if kind == "cuda" else "CPU slot"
    return f"Waits for {row.processes} {what}{'s' * (row.processes > 1)}; in use by {', '.join(holders)}."
