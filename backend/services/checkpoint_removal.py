"""One checkpoint of a run deleted: never one that a job needs, and the last or the best only by word."""

import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from backend.services.jobs import JobService
from backend.services.lineage import named_below
from backend.store.tables import jobs as job_rows
from jobs.protocol.errors import JobError, ResourceError
from jobs.protocol.states import TERMINAL

BEST = "validation_loss"


class CheckpointRemoval:
    """Deletes by run and step."""

    def __init__(self, jobs: JobService):
        self.jobs, self.store, self.runs = jobs, jobs.store, jobs.runs

    def merits(self, job_id: str, step: int) -> list[str]:
        """Why somebody may want to keep it: it is the last, or has the lowest loss on the rows held out.

        Raises: JobError if there is none.
        """
        whole = [one for one, facts in self._saved(job_id, step).items() if facts["whole"]]
        curve = self.jobs.metrics(job_id, [BEST]).get(BEST, [])
        losses = {one: _loss_at(curve, one) for one in whole}
        known = {one: loss for one, loss in losses.items() if loss is not None}
        found = ["the last"] if whole and step == whole[-1] else []
        if len(known) > 1 and step == min(known, key=lambda one: known[one]):
            found.append("the best")
        return found

    def remove(self, job_id: str, step: int, sure: bool = False) -> None:
        """Delete the checkpoint of a step. `sure`: also the last one, or the best.

        Raises: JobError if there is none, or it is a link, or a job needs it, or it is worth a word;
        ResourceError where the folder cannot be changed.
        """
        saved = self._saved(job_id, step)
        if not sure and (merits := self.merits(job_id, step)):
            raise JobError(
                f"The checkpoint of step {step} is {' and '.join(merits)} of {job_id}; say that you mean it."
            )
        newest = max((one for one in saved if saved[one]["whole"]), default=None)
        path = Path(saved[step]["path"])
        if path.is_symlink():  # to go through it would delete what is not the run's
            raise JobError(f"{path} is a link to {path.resolve()}: delete these yourself.")
        aside = self.runs / f".deleted-{job_id}-{uuid.uuid4().hex[:8]}"
        with self.store.write() as conn:  # no job starts from it meanwhile
            state = conn.execute(select(job_rows.c.state).where(job_rows.c.id == job_id)).scalar_one_or_none()
            if state not in TERMINAL and (step == newest or not saved[step]["whole"]):
                raise JobError(f"{job_id} has not ended: what it wrote last stays. Stop it first.")
            if users := self._users(conn, path):
                raise JobError(f"{', '.join(users)} needs the checkpoint of step {step} and has yet to end.")
            try:
                os.rename(path, aside)  # at once, so that half of one never looks like a checkpoint
            except FileNotFoundError:
                return  # the training itself, or somebody else
            except OSError as error:
                raise ResourceError(f"{path} cannot be deleted: {error.strerror}.") from None
        shutil.rmtree(aside, ignore_errors=True)

    def _saved(self, job_id: str, step: int) -> dict[int, dict[str, Any]]:
        """All checkpoints by step. Raises: JobError if that of `step` is not among them."""
        saved = {one["step"]: one for one in self.jobs.checkpoints(job_id)}
        if step not in saved:
            there = ", ".join(map(str, saved)) or "none"
            raise JobError(f"{job_id} has no checkpoint of step {step}; it has {there}.")
        return saved

    def _users(self, conn: Connection, path: Path) -> list[str]:
        """Jobs that have yet to end and name it."""
        waiting = job_rows.c.state.not_in([state.value for state in TERMINAL])
        rows = conn.execute(select(job_rows.c.id, job_rows.c.kind, job_rows.c.spec).where(waiting))
        return [row.id for row in rows if named_below(row.kind, row.spec, path)]


def _loss_at(curve: Iterable[list[float]], step: int) -> float | None:
    """The newest figure that is no younger than a step."""
    return next((value for at, value in reversed([*curve]) if at <= step), None)
