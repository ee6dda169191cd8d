"""What the queue knows of a job and its run folder does not tell, kept beside the spec as queue.json.

The database is what counts; the note is read when the database is made again. It holds the row's columns as
of the last decision of the queue: submitted, held, moved, stopped before its start, queued for another try.
What happens to a try itself is in its attempt folder.
"""

import logging
from pathlib import Path
from typing import Any

from sqlalchemy import select

from backend.store import Store
from backend.store.tables import jobs
from jobs.protocol.folder import RunFolder, read_facts, write_json
from jobs.protocol.states import State

log = logging.getLogger(__name__)

KEPT = (
    *("attempt", "state", "reason", "failure", "remedy", "created_at", "queued_at", "ended_at", "request_id"),
    *("priority", "rank", "held", "not_before", "retried", "recovered", "stop_reason"),
)
COLUMNS = [jobs.c[name] for name in KEPT]


def keep(store: Store, run: RunFolder) -> None:
    """Write the note of a job anew, outside of any transaction.

    Written, then compared with the row again: of two processes that write at once, the last one to look has
    written what stands in the row.
    """
    noted = None
    while (row := _columns(store, run.id)) is not None and row != noted:
        try:
            write_json(run.queue_json, row)
        except OSError as error:
            log.warning("%s: %s; a database that is rebuilt would not know", run.queue_json, error.strerror)
            return
        noted = row


def keep_all(store: Store, runs: Path) -> None:
    """Notes of queued jobs that a process which died, or a full disk, left unwritten."""
    with store.read() as conn:
        rows = conn.execute(select(jobs.c.id, *COLUMNS).where(jobs.c.state == State.QUEUED)).all()
    for row in rows:
        run = RunFolder(runs / row.id)
        if run.path.is_dir() and read_note(run) != dict(zip(KEPT, row[1:], strict=True)):
            keep(store, run)


def read_note(run: RunFolder) -> dict[str, Any]:
    """The note, by columns; empty where there is none, as in runs that are older than notes."""
    note = read_facts(run.queue_json) or {}
    return {name: note[name] for name in KEPT if name in note}


def _columns(store: Store, job_id: str) -> dict[str, Any] | None:
    with store.read() as conn:
        row = conn.execute(select(*COLUMNS).where(jobs.c.id == job_id)).one_or_none()
    return None if row is None else dict(zip(KEPT, row, strict=True))
