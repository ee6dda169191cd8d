"""What a person changes in the queue: hold, release, priority, order. All may be repeated without harm."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update

from backend.queue import RANK_STEP, queue_order
from backend.queue_note import keep
from backend.store import Store
from backend.store.tables import jobs
from jobs.protocol.errors import JobError
from jobs.protocol.folder import RunFolder
from jobs.protocol.states import State

STEPS = {"up": -1, "down": 1}
PLACES = ("top", "bottom", *STEPS)


class QueueService:
    """Changes of jobs that wait. Each is one transaction, and kept in the run folder for a rebuild."""

    def __init__(self, store: Store, runs: Path, wake: Callable[[], None] = lambda: None):
        self.store, self.runs, self._wake = store, runs, wake

    def hold(self, job_id: str) -> None:
        """Keep a queued job from starting. Raises: JobError if it does not wait."""
        self._change(job_id, held=1)

    def release(self, job_id: str) -> None:
        """Let a held job go, and end the wait before a further try. Raises: JobError if it does not wait."""
        self._change(job_id, held=0, not_before=None)

    def set_priority(self, job_id: str, priority: int) -> None:
        """From -100 to 100, higher first; among equals it keeps its turn. Raises: JobError."""
        if not -100 <= priority <= 100:
            raise JobError(f"A priority lies between -100 and 100; {priority} does not.")
        self._change(job_id, priority=priority)

    def move(
        self, job_id: str, *, before: str | None = None, after: str | None = None, to: str | None = None
    ) -> None:
        """Give a queued job another turn: right before or after another queued one, to the top or bottom, or
        one place up or down.

        It takes the priority of its new neighbour, without which it could not stand there.
        Raises: JobError for a job that does not wait, or for none or several of the three places.
        """
        if sum(place is not None for place in (before, after, to)) != 1 or to not in (None, *PLACES):
            raise JobError("Say one place: before or after another job, or top, bottom, up or down.")
        with self.store.write() as conn:
            _waiting(conn, job_id)
            order = conn.execute(queue_order()).all()
            if to in STEPS:  # of the order as it is now, which who asks may not have seen
                at = next(i for i, row in enumerate(order) if row.id == job_id) + STEPS[to]
                other = order[at].id if 0 <= at < len(order) else job_id
                before, after = (other, None) if to == "up" else (None, other)
            order = [row for row in order if row.id != job_id]
            if job_id in (before, after) or not order:
                return  # it stands there
            if other := before or after:
                _waiting(conn, other)
                at = next(i for i, row in enumerate(order) if row.id == other) + (after is not None)
                neighbour = at if before else at - 1
            else:
                at = neighbour = 0 if to == "top" else len(order)
                neighbour = min(neighbour, len(order) - 1)
            changed = _put(conn, job_id, order, at, order[neighbour].priority)
        self._kept(*changed)

    def _change(self, job_id: str, **values: Any) -> None:
        with self.store.write() as conn:
            row = _waiting(conn, job_id)
            if all(getattr(row, name) == value for name, value in values.items()):
                return
            conn.execute(update(jobs).where(jobs.c.id == job_id).values(**values))
        self._kept(job_id)

    def _kept(self, *job_ids: str) -> None:
        for job_id in job_ids:
            keep(self.store, RunFolder(self.runs / job_id))
        self._wake()


def _waiting(conn: Connection, job_id: str) -> Any:
    row = conn.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise JobError(f"There is no job {job_id!r}. `studio jobs` lists them.")
    if row.state != State.QUEUED:
        raise JobError(f"{job_id} is {row.state}: only a job that waits in the queue has a turn to change.")
    return row


def _put(conn: Connection, job_id: str, order: list[Any], at: int, priority: int) -> list[str]:
    """Give the job a rank between those at `at - 1` and `at`; returns the ids whose rows changed."""
    equals = [row for row in order if row.priority == priority]
    first = next(i for i, row in enumerate(order) if row.priority == priority)
    here = at - first
    low = equals[here - 1].rank if here > 0 else equals[0].rank - 2 * RANK_STEP
    high = equals[here].rank if here < len(equals) else equals[-1].rank + 2 * RANK_STEP
    rank = (low + high) / 2
    if low < rank < high:
        conn.execute(update(jobs).where(jobs.c.id == job_id).values(rank=rank, priority=priority))
        return [job_id]
    # No number lies between: all of this priority are spaced anew, from where the first stands.
    ids = [row.id for row in equals]
    ids.insert(here, job_id)
    for place, each in enumerate(ids):
        values = {"rank": equals[0].rank + place * RANK_STEP, "priority": priority}
        conn.execute(update(jobs).where(jobs.c.id == each).values(**values))
    return ids
