"""Reads run folders and executors, and moves rows to what is true."""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from backend.metrics import ingest
from backend.outcome import Outcome, judge, outcome_fields, read_log, read_result
from backend.queue import words_of
from backend.queue_note import keep
from backend.retries import end_try
from backend.store import Store, move
from backend.store.tables import jobs
from jobs.executors import Executor, Liveness
from jobs.protocol.errors import JobError, ResourceError
from jobs.protocol.folder import RunFolder, read_facts
from jobs.protocol.states import ACTIVE, State

log = logging.getLogger(__name__)

DEFAULT_GRACE = 30.0


class Reconciler:
    """Idempotent: a pass may be repeated, cut off anywhere, or made by two processes at once."""

    def __init__(self, store: Store, runs: Path, executor: Executor, clock: Callable[[], float] = time.time):
        self.store, self.runs, self.executor, self.clock = store, runs, executor, clock

    def tick(self) -> int:
        """One pass over the jobs that hold devices; returns how many are still active."""
        with self.store.read() as conn:
            rows = conn.execute(select(jobs).where(jobs.c.state.in_([s.value for s in ACTIVE]))).all()
        return sum(self._checked(row) for row in rows)

    def _checked(self, row: Any) -> bool:
        """`check`, but one folder that cannot be read does not hold up the others."""
        try:
            return self.check(row)
        except (OSError, ValueError, JobError) as error:
            log.warning("%s cannot be looked at: %s", row.id, error)
            return True

    def check(self, row: Any) -> bool:
        """Bring one row up to date; True if the job is still active."""
        run = RunFolder(self.runs / row.id)
        if not run.path.is_dir():
            folder = run.path
            reason = f"Its run folder {folder} has gone."
            return not self._end_for_good(row, Outcome(State.LOST, reason, "lost"))
        ingest(self.store, run)
        facts = read_facts(run.attempt(row.attempt).run_json)  # before the look: it may begin meanwhile
        live = self.executor.poll(run, row.attempt)
        if live.ended is not None:
            if live.ended.get("never_started"):  # given up by a process that died before it could say so
                return self._queue_again(row, run)
            if live.survivors:  # cannot be, but devices are given back only when nothing lives
                for identity in live.survivors:
                    identity.kill()
                return True
            return not self._finish(row, run, live)
        if live.supervised:
            self._follow(row, run, live)
            return True
        if live.needs_guardian:
            self._adopt(row, run)
            return True
        if live.same_boot and self._never_started(row, facts):
            return self._give_up_start(row, run)
        return not self._finish(row, run, live)

    def _follow(self, row: Any, run: RunFolder, live: Liveness) -> None:
        """A guarded attempt: the row follows what the folder says."""
        attempt = run.attempt(row.attempt)
        self._note_waiting(row, live.waiting)
        if row.state == State.STARTING and live.waiting is None:  # it has begun since
            with self.store.write() as conn:
                move(conn, row.id, State.RUNNING, at_attempt=row.attempt, started_at=self.clock())
        if row.state == State.STOPPING:
            if not attempt.stop_requested():
                grace = DEFAULT_GRACE if row.stop_grace is None else row.stop_grace
                self.executor.stop(run, row.attempt, grace)
        elif attempt.stop_requested() and not live.requeues:  # asked for in the folder, by hand
            with self.store.write() as conn:
                move(conn, row.id, State.STOPPING, at_attempt=row.attempt)
        elif row.time_limit and self._ran_for(row) > row.time_limit:
            self._out_of_time(row, run)

    def _out_of_time(self, row: Any, run: RunFolder) -> None:
        limit = words_of(row.time_limit)
        reason = f"Stopped at its time limit of {limit}; what it had by then is saved."
        with self.store.write() as conn:
            fields = {"stop_grace": DEFAULT_GRACE, "stop_reason": reason}
            if not move(conn, row.id, State.STOPPING, at_attempt=row.attempt, **fields):
                return
        keep(self.store, run)  # before the stop: an end without the reason would look like a person's wish
        self.executor.stop(run, row.attempt, DEFAULT_GRACE)

    def _adopt(self, row: Any, run: RunFolder) -> None:
        log.warning("%s has lost its supervisor; a new one takes over", row.id)
        try:
            self.executor.adopt(run, row.attempt)
        except ResourceError as error:  # tried again at the next pass; the job itself goes on
            log.warning("%s", error)

    def _ran_for(self, row: Any) -> float:
        return self.clock() - row.started_at if row.state == State.RUNNING and row.started_at else 0.0

    def _note_waiting(self, row: Any, text: str | None) -> None:
        if text != row.waiting:
            with self.store.write() as conn:
                guard = (jobs.c.id == row.id) & (jobs.c.attempt == row.attempt)
                conn.execute(update(jobs).where(guard).values(waiting=text))

    def _never_started(self, row: Any, facts: dict[str, Any] | None) -> bool:
        """Nothing runs before run.json names its anchor. A broken or missing file leaves it to the row."""
        return (
            row.state != State.RUNNING if facts is None else not (facts.get("anchor") or facts.get("child"))
        )

    def _give_up_start(self, row: Any, run: RunFolder) -> bool:
        """A scheduler died between claim and start: nothing has run, so the job is queued again."""
        if not self.executor.abandon(run, row.attempt):
            return True  # it did start, just now: the next pass sees it
        return self._queue_again(row, run)

    def _queue_again(self, row: Any, run: RunFolder) -> bool:
        if row.state == State.STOPPING:
            ended = self._end_for_good(row, Outcome(State.STOPPED, "Stopped before it began."))
            keep(self.store, run)  # the attempt folder does not tell of it
            return not ended
        with self.store.write() as conn:
            if move(conn, row.id, State.LOST, at_attempt=row.attempt):
                move(conn, row.id, State.QUEUED)
        keep(self.store, run)
        return False

    def _finish(self, row: Any, run: RunFolder, live: Liveness) -> bool:
        """The attempt is over and nothing of it lives: say how, and give its devices back."""
        ingest(self.store, run)  # what was written between the first look and the end
        with self.store.read() as conn:
            error = conn.execute(select(jobs.c.error).where(jobs.c.id == row.id)).scalar_one_or_none()
        result = read_result(run)
        event = json.loads(error) if error else None
        log_end = read_log(run, row.attempt)
        outcome = judge(row.attempt, live.ended, result, event, live.same_boot, log_end)
        ended = live.ended or {"ended_at": last_sign(run, row.attempt, self.clock())}
        return end_try(self.store, run, row, outcome, ended, self.clock())

    def _end_for_good(self, row: Any, outcome: Outcome) -> bool:
        fields = outcome_fields(outcome, {"ended_at": self.clock()})
        with self.store.write() as conn:
            return move(conn, row.id, outcome.state, at_attempt=row.attempt, **fields)


def last_sign(run: RunFolder, attempt: int, now: float) -> float:
    """When a try without an end was last heard of: its events, its log, or its supervisor's heartbeat."""
    folder = run.attempt(attempt)
    paths = [run.events, folder.run_json, folder.log]
    return max((p.stat().st_mtime for p in paths if p.exists()), default=now)
