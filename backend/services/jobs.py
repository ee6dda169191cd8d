"""What a tab, a command or a route may ask about jobs."""

import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from backend import curves, rebuild
from backend.lease import SchedulerLease
from backend.queue import followers, last_rank, queue_order
from backend.queue_note import keep
from backend.remarks import has_tag
from backend.scheduler import device_kind, device_wanted
from backend.services.job_view import LINE, JobLine, JobView, build_lines, build_views, is_resumable
from backend.services.submission import Link, Submission, as_they_are
from backend.store import FRESH, Store, move
from backend.store.tables import devices, jobs
from jobs.executors import Executor
from jobs.protocol.errors import JobError, ResourceError
from jobs.protocol.events import read_events
from jobs.protocol.folder import CHECKPOINT, RunFolder, is_whole
from jobs.protocol.log_file import read_part
from jobs.protocol.states import ACTIVE, TERMINAL, State
from jobs.specs import diffusion_config
from jobs.specs.job import JobSpec
from jobs.specs.load import parse_spec

Resolve = Callable[[JobSpec], JobSpec]
Views = list[JobView]  # names for list[...]: inside the class, `list` is its method
Lines = list[JobLine]
Records = list[dict[str, Any]]
Curves = dict[str, list[list[float]]]
Words = list[str]
WAIT_SECONDS = 0.2


class JobService:
    """Jobs by id. Every method works whether or not a server runs; only starting needs a scheduler."""

    def __init__(
        self,
        store: Store,
        runs: Path,
        executor: Executor,
        lease: SchedulerLease,
        resolve: Resolve | None = None,
        wake: Callable[[], None] = lambda: None,
        check: Callable[[JobSpec], None] | None = None,
    ):
        self.store, self.runs, self.executor, self.lease = store, runs, executor, lease
        self.resolve, self._wake, self._check = resolve, wake, check

    # --- asking ----

    def get(self, job_id: str) -> JobView:
        """One job. Raises: JobError if there is none."""
        with self.store.read() as conn:
            return self._view(conn, self._row(conn, job_id))

    def list(
        self,
        states: Iterable[str] | None = None,
        kinds: Iterable[str] | None = None,
        limit: int = 200,
        tags: Iterable[str] = (),
    ) -> Views:
        """Jobs, newest first; with `tags` those that have all of them."""
        query = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
        if states is not None:
            query = query.where(jobs.c.state.in_([State(s).value for s in states]))
        if kinds is not None:
            query = query.where(jobs.c.kind.in_(list(kinds)))
        for tag in tags:
            query = query.where(has_tag(tag))
        scheduled = self.is_scheduled()
        with self.store.read() as conn:
            return build_views(conn, list(conn.execute(query)), str(self.runs), scheduled)

    def shown(self, limit: int = 200) -> Lines:
        """What a page lists: all that run, the next `limit` that wait, the newest `limit` of any state."""
        newest = select(*LINE).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
        active = select(*LINE).where(jobs.c.state.in_([s.value for s in ACTIVE]))
        next_ones = queue_order().with_only_columns(*LINE).limit(limit)
        scheduled = self.is_scheduled()
        with self.store.read() as conn:
            rows = {row.id: row for query in (active, next_ones, newest) for row in conn.execute(query)}
            ordered = sorted(rows.values(), key=lambda row: (row.created_at, row.id), reverse=True)
            return build_lines(conn, ordered, str(self.runs), scheduled)

    def count(self) -> int:
        """How many there are."""
        with self.store.read() as conn:
            return conn.execute(select(func.count()).select_from(jobs)).scalar_one()

    def is_scheduled(self) -> bool:
        """Whether any process starts what waits."""
        return self.lease.current() is not None

    def waiting_of(self, ids: Sequence[str]) -> set[str]:
        """Those of `ids` that are queued."""
        with self.store.read() as conn:
            query = select(jobs.c.id).where(jobs.c.id.in_(ids), jobs.c.state == State.QUEUED)
            return set(conn.execute(query).scalars())

    def wait(self, job_id: str, timeout: float | None = None) -> JobView:
        """Wait for the end of a job; after `timeout` seconds the view is of a job still under way."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            view = self.get(job_id)
            if not view.active or (deadline is not None and time.monotonic() >= deadline):
                return view
            time.sleep(WAIT_SECONDS)

    def folder(self, job_id: str) -> RunFolder:
        """The run folder of a job. Raises: JobError if there is no such job."""
        with self.store.read() as conn:
            return RunFolder(self.runs / self._row(conn, job_id).id)

    def log(
        self, job_id: str, attempt: int | None = None, offset: int = 0, limit: int = 200_000
    ) -> tuple[str, int]:
        """(text, next offset) of an attempt's log from byte `offset`; a negative one counts from the end."""
        with self.store.read() as conn:
            row = self._row(conn, job_id)
        path = RunFolder(self.runs / row.id).attempt(attempt or row.attempt).log
        data, following = read_part(path, offset, limit)
        for cut in range(min(4, len(data))):  # the last character may be half written
            try:
                return data[: len(data) - cut].decode("utf-8"), following - cut
            except UnicodeDecodeError:
                continue
        return data.decode("utf-8", "replace"), following

    def events(self, job_id: str, offset: int = 0) -> tuple[Records, int]:
        """(events, next offset) from byte `offset` of the run's events.jsonl."""
        found = list(read_events(self.folder(job_id).events, offset))
        return [event for _, event in found], found[-1][0] if found else offset

    def metrics(
        self,
        job_id: str,
        names: Iterable[str] | None = None,
        max_points: int = 500,
        first: int | None = None,
        last: int | None = None,
    ) -> Curves:
        """{name: [[step, value], ...]}, long curves thinned to about `max_points`, peaks kept; of the steps
        from `first` to `last` where they are given."""
        self.folder(job_id)
        wanted = None if names is None else [*names]
        return curves.read_metrics(self.store, job_id, wanted, max_points, first, last)

    def levels(self, job_id: str) -> dict[str, Records]:
        """Loss by noise level, `levels` in training and `validation_levels` on the rows held out:
        [{step, loss [8 numbers or null], count [8]}, ...] each."""
        self.folder(job_id)
        return {kind: curves.read_levels(self.store, job_id, kind) for kind in curves.LEVELS}

    def checkpoints(self, job_id: str) -> Records:
        """Checkpoints on disk, oldest first: {step, path, size_bytes, created_at, whole, usable}; usable
        as a model, by the name `run:ID/checkpoint-STEP`."""
        root = self.folder(job_id).checkpoints
        found = []
        for path in root.iterdir() if root.is_dir() else ():
            if match := CHECKPOINT.match(path.name):
                with suppress(FileNotFoundError):  # the training, or somebody, deletes it at this moment
                    found.append({"step": int(match.group(1)), "path": str(path), **_saved(path)})
        return sorted(found, key=lambda c: c["step"])

    def devices(self) -> Records:
        """Every device of this machine: {id, label, kind, job}; job is who leases it, or None."""
        query = select(devices).where((devices.c.present == 1) | devices.c.job_id.is_not(None))
        with self.store.read() as conn:
            rows = conn.execute(query.order_by(devices.c.position)).all()
        return [{"id": r.id, "label": r.label, "kind": r.kind, "job": r.job_id} for r in rows]

    def command(self, spec: JobSpec | dict[str, Any]) -> Words:
        """The exact command line that a submit would run, for showing before the start.

        Run folder and device numbers are those of a first job on an idle machine. Raises: SpecError.
        """
        spec = self._parsed(spec)
        with self.store.read() as conn:
            kind = device_kind(conn, device_wanted(spec))
            query = select(devices.c.id).where(devices.c.kind == kind, devices.c.present == 1)
            chosen = list(conn.execute(query.order_by(devices.c.position)).scalars())
        run = RunFolder(self.runs / f"{spec.kind}-NNNN")
        return self.executor.command(spec, run, chosen[: spec.launcher.processes])

    # --- doing ----

    def submit(self, spec: JobSpec | dict[str, Any], request_id: str | None = None) -> JobView:
        """Make a run folder and queue the job. A repeated `request_id` returns the job it made before.

        Raises: SpecError, DataError, ModelError from names that do not resolve; ResourceError if this machine
        cannot ever run it or cannot write the folder.
        """
        parsed = spec if isinstance(spec, JobSpec) else parse_spec(spec)
        return self.submit_all([parsed], request_id)[0]

    def submit_all(
        self, specs: Sequence[JobSpec], request_id: str | None = None, link: Link = as_they_are
    ) -> Views:
        """Queue several jobs in one go, or none of them. A repeated `request_id` returns the first of those
        that it made. `link`: see Submission. Raises: as `submit` does."""
        if request_id is not None and (known := self._by_request(request_id)):
            return [known]
        submission = Submission(self.store, self.runs, self.resolve, self._check)
        try:
            ids = submission.queue(specs, request_id, link)
        except IntegrityError:
            if request_id is not None and (known := self._by_request(request_id)):
                return [known]  # the same request came twice at once
            raise JobError(
                f"A job in {self.runs} is still active though its folder was deleted; stop it first."
            ) from None
        for job_id in ids:
            keep(self.store, RunFolder(self.runs / job_id))
        self._wake()
        scheduled = self.is_scheduled()
        with self.store.read() as conn:  # all at once: each view alone would count the queue again
            rows = {row.id: row for row in conn.execute(select(jobs).where(jobs.c.id.in_(ids)))}
            return build_views(conn, [rows[job_id] for job_id in ids], str(self.runs), scheduled)

    def stop(self, job_id: str, grace: float = 30) -> JobView:
        """Ask a job to save and leave; after `grace` seconds it is made to. Harmless if it has ended.

        The request lies in the run folder, so that a database on a full disk does not stand in its way.
        """
        with self.store.read() as conn:
            row = self._row(conn, job_id)
        asked = self._pass_on(row, grace)
        try:
            self._note_stop(job_id, grace)
        except ResourceError:
            if not asked:
                raise
        if not asked:
            with self.store.read() as conn:
                self._pass_on(self._row(conn, job_id), grace)
        self._wake()
        return self.get(job_id)

    def _pass_on(self, row: Any, grace: float) -> bool:
        """Write the stop request of an attempt that has a folder."""
        run = RunFolder(self.runs / row.id)
        if row.state not in ACTIVE or not run.attempt(row.attempt).path.is_dir():
            return False
        self.executor.stop(run, row.attempt, grace)
        return True

    def _note_stop(self, job_id: str, grace: float) -> None:
        with self.store.write() as conn:
            row = self._row(conn, job_id)
            if row.state == State.QUEUED:
                reason = "Stopped before its next try." if row.attempt else "Stopped before it began."
                fields = {**FRESH, "reason": reason, "ended_at": time.time()}
                move(conn, job_id, State.STOPPED, at_attempt=row.attempt, **fields)
            elif row.state in ACTIVE:
                move(conn, job_id, State.STOPPING, at_attempt=row.attempt)
                values = {"stop_grace": grace, "stop_reason": None}
                conn.execute(update(jobs).where(jobs.c.id == job_id).values(**values))
        if row.state == State.QUEUED:
            keep(self.store, RunFolder(self.runs / job_id))

    def resume(self, job_id: str) -> JobView:
        """Queue a new attempt, which goes on from the last whole checkpoint.

        Raises: JobError if the job cannot be resumed.
        """
        with self.store.write() as conn:
            row = self._row(conn, job_id)
            if not is_resumable(row):
                raise JobError(f"{job_id} cannot be resumed: it is a {row.kind} job that is {row.state}.")
            values = {**FRESH, "queued_at": time.time(), "rank": last_rank(conn)}
            values |= {"held": 0, "retried": 0, "recovered": 0}
            move(conn, job_id, State.QUEUED, at_attempt=row.attempt, **values)
        keep(self.store, RunFolder(self.runs / job_id))
        self._wake()
        return self.get(job_id)

    def delete(self, job_id: str) -> None:
        """Remove a job that has ended, with its folder. Raises: JobError if it has not, or if another waits
        that is to come after it."""
        with self.store.write() as conn:
            row = self._row(conn, job_id)
            if row.state not in TERMINAL:
                raise JobError(f"{job_id} is {row.state}; stop it before deleting it.")
            if waiting := followers(conn, job_id):
                raise JobError(
                    f"{waiting[0]} is to start after {job_id}: stop that one first, or let it run."
                )
            conn.execute(delete(jobs).where(jobs.c.id == job_id))
        path = self.runs / row.id
        aside = self.runs / f".deleted-{row.id}-{uuid.uuid4().hex[:8]}"
        try:
            path.rename(aside)  # at once, so that a half deleted folder never looks like a run
        except FileNotFoundError:
            return
        except OSError as error:
            raise ResourceError(f"{path} cannot be deleted: {error.strerror}.") from None
        shutil.rmtree(aside, ignore_errors=True)

    def rebuild(self, only_if_empty: bool = False) -> Words:
        """Make the rows again from the run folders; returns the ids found."""
        return rebuild.rebuild(self.store, self.runs, self.executor, only_if_empty)

    # --- inside ----

    def _parsed(self, spec: JobSpec | dict[str, Any]) -> JobSpec:
        parsed = spec if isinstance(spec, JobSpec) else parse_spec(spec)
        return self.resolve(parsed) if self.resolve else parsed

    def _row(self, conn: Connection, job_id: str) -> Any:
        row = conn.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
        if row is None:
            raise JobError(f"There is no job {job_id!r}. `studio jobs` lists them.")
        return row

    def _view(self, conn: Connection, row: Any) -> JobView:
        return build_views(conn, [row], str(self.runs), row.state != State.QUEUED or self.is_scheduled())[0]

    def _by_request(self, request_id: str) -> JobView | None:
        with self.store.read() as conn:
            row = conn.execute(select(jobs).where(jobs.c.request_id == request_id)).one_or_none()
            return self._view(conn, row) if row is not None else None


def _saved(path: Path) -> dict[str, Any]:
    """What a checkpoint's folder holds. Raises: FileNotFoundError where it goes meanwhile."""
    size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
    whole = is_whole(path)
    model = (path / diffusion_config.FILE).is_file() and any(path.glob("*.safetensors"))
    facts = {"size_bytes": size, "created_at": path.stat().st_mtime, "whole": whole}
    return facts | {"usable": whole and model}  # FSDP saves the parts of its processes instead of weights
