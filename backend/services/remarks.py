"""Notes and tags of runs: a change goes into the run folder first, then into the database for lists."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from sqlalchemy import select, update

from backend.remarks import Remarks, checked_note, columns, one_at_a_time, read_remarks, write_remarks
from backend.store import Store
from backend.store.tables import jobs
from jobs.protocol.errors import JobError
from jobs.protocol.folder import RunFolder


class RemarkService:
    """What people write about runs. Each change may be repeated without harm.

    All raise JobError for a run that is not there or is deleted meanwhile, ResourceError where its folder or
    the database cannot be written.
    """

    def __init__(self, store: Store, runs: Path):
        self.store, self.runs = store, runs

    def tag(self, job_id: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Put tags on and take tags off; what others change at the same time stays. Raises: SpecError for a
        word that is no tag, and for too many."""
        self._change(job_id, lambda remarks: remarks.tagged(add, remove))

    def write_note(self, job_id: str, text: str, before: str | None = None) -> None:
        """Replace the note. With `before`, only if the note still is that, or is `text` already.

        Raises: JobError if somebody else has changed it since, SpecError for a text that is too long.
        """

        def replaced(remarks: Remarks) -> Remarks:
            if before is not None and remarks.note not in (checked_note(before), checked_note(text)):
                raise JobError(
                    f"The note of {job_id} was changed elsewhere meanwhile. Read that before replacing it."
                )
            return remarks.noted(text)

        self._change(job_id, replaced)

    def tags(self) -> dict[str, int]:
        """Every tag in use and the number of its runs, the most used first."""
        with self.store.read() as conn:
            rows = conn.execute(select(jobs.c.tags).where(jobs.c.tags != "[]")).scalars()
            counts = Counter(tag for tags in rows for tag in json.loads(tags))
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def _change(self, job_id: str, change: Callable[[Remarks], Remarks]) -> None:
        with self.store.read() as conn:
            if conn.execute(select(jobs.c.id).where(jobs.c.id == job_id)).first() is None:
                raise JobError(f"There is no job {job_id!r}. `studio jobs` lists them.")
        run = RunFolder(self.runs / job_id)
        with one_at_a_time(run):
            remarks = change(read_remarks(run))
            write_remarks(run, remarks)
            with self.store.write() as conn:
                conn.execute(update(jobs).where(jobs.c.id == job_id).values(**columns(remarks)))
