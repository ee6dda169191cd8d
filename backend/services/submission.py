"""From specs to run folders and queued rows: all of them, or none."""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select

from backend.listed import listed_columns
from backend.queue import RANK_STEP, last_rank, queue_columns
from backend.scheduler import count_devices, device_kind, device_wanted, devices_taken, never_fits
from backend.store import Store
from backend.store.tables import jobs
from jobs.protocol.errors import JobError, ResourceError
from jobs.protocol.folder import RunFolder, write_json
from jobs.protocol.states import TERMINAL, State
from jobs.specs.job import JobSpec

Link = Callable[[list[JobSpec], list[str]], list[JobSpec]]


def as_they_are(specs: list[JobSpec], ids: list[str]) -> list[JobSpec]:
    """Jobs that know nothing of each other."""
    return specs


class Submission:
    """Checks specs, makes their folders and queues them in one transaction."""

    def __init__(
        self,
        store: Store,
        runs: Path,
        resolve: Callable[[JobSpec], JobSpec] | None = None,
        check: Callable[[JobSpec], None] | None = None,
    ):
        self.store, self.runs = store, runs
        self._resolve, self._check = resolve, check

    def queue(
        self, specs: Sequence[JobSpec], request_id: str | None = None, link: Link = as_they_are
    ) -> list[str]:
        """Queue all jobs and return their ids, or raise and leave nothing behind.

        `link` is given the checked specs with their ids, and puts ids where the specs name each other.
        Raises: StudioError of a spec that is wrong, ResourceError for what this machine cannot run or write,
        sqlalchemy's IntegrityError for a request or a number that is taken.
        """
        checked = [self.checked(spec) for spec in specs]
        folders: list[RunFolder] = []
        try:
            for spec in checked:
                folders.append(RunFolder.reserve(self.runs, spec.kind))
            ids = [folder.id for folder in folders]
            linked = link(checked, ids)
            for folder, spec in zip(folders, linked, strict=True):
                write_json(folder.spec_json, spec.model_dump(mode="json"))
            self._insert(linked, ids, request_id)
        except BaseException as error:
            for folder in folders:
                shutil.rmtree(folder.path, ignore_errors=True)
            if isinstance(error, OSError):
                text = f"No run folder can be made in {self.runs}: {error.strerror}."
                raise ResourceError(text) from None
            raise
        return ids

    def checked(self, spec: JobSpec) -> JobSpec:
        """The spec with its names resolved. Raises: StudioError where it cannot ever run here."""
        spec = self._resolve(spec) if self._resolve else spec
        with self.store.read() as conn:
            taken = devices_taken(spec, count_devices(conn, "cuda") > 0)
            if reason := never_fits(conn, device_kind(conn, device_wanted(spec)), taken):
                raise ResourceError(reason)
        if self._check is not None:
            self._check(spec)
        return spec

    def _insert(self, specs: list[JobSpec], ids: list[str], request_id: str | None) -> None:
        with self.store.write() as conn:
            wanted = {other for spec in specs for other in spec.queue.after} - {*ids}
            found = set(conn.execute(select(jobs.c.id).where(jobs.c.id.in_(wanted))).scalars())
            if unknown := sorted(wanted - found):
                raise JobError(f"queue.after: there is no job {unknown[0]!r}. `studio jobs` lists them.")
            has_gpus = count_devices(conn, "cuda") > 0
            stale = jobs.c.id.in_(ids) & jobs.c.state.in_([s.value for s in TERMINAL])
            conn.execute(delete(jobs).where(stale))  # their folders were deleted by hand
            rows = [new_row(job_id, spec, has_gpus) for job_id, spec in zip(ids, specs, strict=True)]
            rank = last_rank(conn)
            for place, row in enumerate(rows):
                row["rank"] = rank + place * RANK_STEP
            rows[0]["request_id"] = request_id
            conn.execute(insert(jobs), rows)


def new_row(job_id: str, spec: JobSpec, has_gpus: bool) -> dict[str, Any]:
    """The row of a job that has just been submitted."""
    now = time.time()
    row = {"id": job_id, "kind": spec.kind, "name": spec.name, "state": State.QUEUED.value}
    data = spec.model_dump(mode="json")
    row |= {"request_id": None, "spec": json.dumps(data), **listed_columns(data)}
    row |= {"device": device_wanted(spec), "processes": devices_taken(spec, has_gpus), **queue_columns(spec)}
    return row | {"created_at": now, "queued_at": now}
