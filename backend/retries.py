"""What follows the end of a try: another one, or the end of the job.

failed    tried again as often as `queue.retries` says, but not after a mistake in the settings, which no
          further try mends; the wait before it doubles each time
lost      started again where `queue.resume_lost` says so: at once, and when it is lost again before it has
          saved anything new, after waits that double, RECOVERIES times at most
stopped   the end, whoever asked for it: a person, or the time limit
"""

import json
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from backend.outcome import Outcome, outcome_fields
from backend.queue_note import keep
from backend.store import Store, move
from backend.store.tables import jobs
from jobs.protocol.folder import RunFolder
from jobs.protocol.states import State
from jobs.specs.queue import QueueSpec

NEVER_AGAIN = {"configuration"}
RECOVERIES = 5
LONGEST_WAIT = 86_400.0


def rules_of(row: Any) -> QueueSpec:
    """The queue's part of a job's spec; the defaults for specs that are older than it."""
    return QueueSpec.model_validate(json.loads(row.spec).get("queue") or {})


def end_try(
    store: Store, run: RunFolder, row: Any, outcome: Outcome, ended: dict[str, Any], now: float
) -> bool:
    """Write down how the try of `row` ended and, in the same transaction, queue the next one if there is one.

    False, with nothing changed, if the job has come to another state or try meanwhile.
    """
    asked = ended.get("stopped", run.attempt(row.attempt).stop_requested())  # a batch system may ask too
    saved = _saved_since(run, row.started_at)
    with store.write() as conn:
        there = conn.execute(
            select(jobs.c.state, jobs.c.stop_reason).where(jobs.c.id == row.id)
        ).one_or_none()
        if there is None:
            return False
        if outcome.state == State.STOPPED and there.stop_reason:
            outcome = replace(outcome, reason=there.stop_reason)
        moved = move(conn, row.id, outcome.state, at_attempt=row.attempt, **outcome_fields(outcome, ended))
        final = asked or there.state == State.STOPPING
        again = None if final or not moved else next_try(row, outcome, saved, now)
        if again is not None:
            move(conn, row.id, State.QUEUED, **again)
    if again is not None:
        keep(store, run)
    return moved


def next_try(row: Any, outcome: Outcome, saved: bool, now: float) -> dict[str, Any] | None:
    """The columns of a job that is queued again; None if it has ended for good.

    `saved`: whether the try has written a checkpoint. Reason and failure stay, to be shown while it waits.
    """
    rules = rules_of(row)
    again = {"ended_at": None, "phase": None, "seconds_left": None}
    if outcome.state == State.FAILED:
        if outcome.failure in NEVER_AGAIN or row.retried >= rules.retries:
            return None
        wait = rules.retry_wait * 2.0**row.retried
        return again | {"retried": row.retried + 1, "not_before": now + min(wait, LONGEST_WAIT)}
    if outcome.state == State.LOST and rules.resume_lost:
        before = 0 if saved else row.recovered
        if before >= RECOVERIES:
            return None
        wait = rules.retry_wait * 2.0 ** (before - 1) if before else 0.0
        return again | {"recovered": before + 1, "not_before": now + min(wait, LONGEST_WAIT)}
    return None


def _saved_since(run: RunFolder, started_at: float | None) -> bool:
    """Whether a whole checkpoint is newer than the start; never of a try that did not begin."""
    last = run.last_checkpoint()
    return last is not None and started_at is not None and last.stat().st_mtime > started_at
