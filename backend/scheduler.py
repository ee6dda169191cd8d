"""Which queued job starts, and on which devices."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update

from backend.lease import SchedulerLease
from backend.outcome import Outcome
from backend.queue import earlier_states, is_ready, never_comes, queue_order
from backend.queue_note import keep
from backend.retries import end_try
from backend.store import FRESH, Store, lease_devices, move
from backend.store.tables import devices, jobs
from jobs.executors import Executor
from jobs.protocol.errors import DataError, ModelError, ResourceError, StudioError
from jobs.protocol.folder import RunFolder
from jobs.protocol.states import State
from jobs.specs.job import JobSpec

log = logging.getLogger(__name__)

SERVE_IDLE = "ready"  # the phase of a serve job between requests
GIVE_WAY_SECONDS = 30.0  # so long after its last request it may be asked to make room
GIVE_WAY_GRACE = 10.0


@dataclass(frozen=True)
class Claim:
    """A job that is ours to start, with the devices leased to it."""

    job_id: str
    attempt: int
    devices: list[str]


LOOKED_AT = tuple(
    jobs.c[name]
    for name in (
        *("id", "kind", "device", "processes", "attempt"),
        *("held", "after", "continue_on_error", "not_before"),
    )
)


@dataclass
class Look:
    """What a look at the queue found: a job to start, jobs that will never come to it, and what is short."""

    claim: Claim | None = None
    ends: dict[str, tuple[State, dict[str, Any]]] = field(default_factory=dict)
    held_up: set[str] = field(default_factory=set)


class Scheduler:
    """Claims and starts jobs. Several may run; claims are exclusive all the same."""

    def __init__(
        self,
        store: Store,
        runs: Path,
        executor: Executor,
        lease: SchedulerLease | None = None,
        before_start: Callable[[RunFolder], None] = lambda run: None,
        clock: Callable[[], float] = time.time,
    ):
        """`before_start` raises StudioError for a run that cannot start after all."""
        self.store, self.runs, self.executor, self.lease = store, runs, executor, lease
        self.before_start, self.clock = before_start, clock
        self.held_up: set[str] = set()  # kinds of device that a queued job other than serve waits for

    def tick(self) -> int:
        """Start everything that can start now; returns how many were tried."""
        count = 0
        while (claim := self.claim()) is not None:
            self.start(claim)
            count += 1
        if self.held_up:
            self._make_room()
        return count

    def _make_room(self) -> None:
        """Ask playgrounds that nobody uses to leave devices that others wait for; use brings them back."""
        with self.store.read() as conn:
            query = (
                select(jobs.c.id, jobs.c.attempt)
                .join(devices, devices.c.job_id == jobs.c.id)
                .where(jobs.c.kind == "serve", jobs.c.state == State.RUNNING, jobs.c.phase == SERVE_IDLE)
                .where(devices.c.kind.in_(self.held_up))
                .distinct()
            )
            rows = conn.execute(query).all()
        for row in rows:
            run = RunFolder(self.runs / row.id)
            if quiet_seconds(run) < GIVE_WAY_SECONDS:
                continue
            with self.store.write() as conn:
                moved = move(conn, row.id, State.STOPPING, at_attempt=row.attempt)
            if moved:
                log.info("%s gives its device to a waiting job", row.id)
                self.executor.stop(run, row.attempt, GIVE_WAY_GRACE)

    def claim(self) -> Claim | None:
        """The next job that fits, moved to starting with its devices, in one transaction.

        A job that must wait for devices holds up later ones of its kind of device, so that a big job is not
        starved by small ones. One that waits for anything else holds up nobody.
        """
        with self.store.read() as conn:  # most of the time there is nothing to do: no writer's lock for that
            look = self._look(conn)
        self.held_up = look.held_up
        if not (look.claim or look.ends):
            return None
        with self.store.write() as conn:
            if self.lease is not None and not self.lease.is_ours(conn):
                return None
            look, ended = self._look(conn), []
            while look.ends:  # and then those that come after these
                for job_id, (state, fields) in look.ends.items():
                    move(conn, job_id, state, **fields)
                ended += look.ends
                look = self._look(conn)
            if (claim := look.claim) is not None:
                fields = {**FRESH, "attempt": claim.attempt, "claimed_at": self.clock(), "started_at": None}
                fields["ran_on"] = json.dumps(claim.devices)
                move(conn, claim.job_id, State.STARTING, at_attempt=claim.attempt - 1, **fields)
                if not lease_devices(conn, claim.job_id, claim.devices):
                    raise AssertionError(f"{claim.devices} were free in this transaction")
        for job_id in ended:
            keep(self.store, RunFolder(self.runs / job_id))
        self.held_up = look.held_up
        return look.claim

    def _look(self, conn: Connection) -> Look:
        """What there is to do now; changes nothing."""
        rows = conn.execute(queue_order().with_only_columns(*LOOKED_AT)).all()
        look = Look()
        if not rows:
            return look
        now, states, free = self.clock(), earlier_states(conn, rows), free_devices(conn)
        there = {kind: count_devices(conn, kind) for kind in free}
        held_up: set[str] = set()
        for row in rows:
            kind = row.device if row.device != "auto" else ("cuda" if there["cuda"] else "cpu")
            if fields := never_comes(row, states, now):
                look.ends[row.id] = (State.STOPPED, fields)
            elif row.processes > there[kind]:
                reason = never_fits(conn, kind, row.processes)
                fields = {"reason": reason, "failure": "resource", "ended_at": now}
                look.ends[row.id] = (State.FAILED, fields)
            elif not is_ready(row, states, now) or (row.processes and kind in held_up):
                continue
            elif row.processes <= len(free[kind]):
                look.claim = Claim(row.id, row.attempt + 1, free[kind][: row.processes])
                break
            else:
                held_up.add(kind)
                if row.kind != "serve":
                    look.held_up.add(kind)
        return look

    def start(self, claim: Claim) -> None:
        """Start a claimed job. If that fails, the job fails with the reason and gives its devices back."""
        run = RunFolder(self.runs / claim.job_id)
        number = claim.attempt
        try:
            number = new_attempt(run, claim.attempt)
            if number != claim.attempt:  # somebody ran the program by hand in between
                self._renumber(claim, number)
            self.before_start(run)
            if not self._still_starting(claim.job_id):
                return  # a stop came first; the reconciler finishes it
            if self.executor.submit(run, number, claim.devices):
                return  # a batch system has it: it is starting until that starts it
        except (OSError, StudioError) as error:
            if self._has_begun(run, number):
                return  # slow, not failed: the reconciler follows it
            reason = str(error) if isinstance(error, StudioError) else f"{run.path}: {error.strerror}."
            failure = failure_of(error)
            log.warning("%s could not be started: %s", claim.job_id, reason)
            self._failed(claim.job_id, Outcome(State.FAILED, reason, failure))
            return
        with self.store.write() as conn:
            move(conn, claim.job_id, State.RUNNING, at_attempt=number, started_at=time.time())

    def _failed(self, job_id: str, outcome: Outcome) -> None:
        with self.store.read() as conn:
            row = conn.execute(select(jobs).where(jobs.c.id == job_id)).one()
        now = self.clock()
        run = RunFolder(self.runs / job_id)
        end_try(self.store, run, row, outcome, {"ended_at": now}, now)
        keep(self.store, run)  # the attempt folder does not tell of it

    def _has_begun(self, run: RunFolder, number: int) -> bool:
        """Whether a start that seemed to fail did happen; if not, it cannot happen later either."""
        if not run.attempt(number).path.is_dir():
            return False
        try:
            return not self.executor.abandon(run, number)
        except OSError:  # a disk that takes no mark: no supervisor got as far as its lock
            return False

    def _renumber(self, claim: Claim, number: int) -> None:
        with self.store.write() as conn:
            guard = (jobs.c.id == claim.job_id) & (jobs.c.attempt == claim.attempt)
            conn.execute(update(jobs).where(guard).values(attempt=number))

    def _still_starting(self, job_id: str) -> bool:
        with self.store.read() as conn:
            state = conn.execute(select(jobs.c.state).where(jobs.c.id == job_id)).scalar_one_or_none()
        return state == State.STARTING


def failure_of(error: OSError | StudioError) -> str:
    """A name of FAILURES for what kept a job from starting."""
    if isinstance(error, ResourceError | OSError):
        return "resource"
    return {ModelError: "model", DataError: "data"}.get(type(error), "configuration")


def quiet_seconds(run: RunFolder) -> float:
    """How long ago the run wrote its last event."""
    try:
        return time.time() - run.events.stat().st_mtime
    except OSError:
        return 0.0


def new_attempt(run: RunFolder, number: int) -> int:
    """Make the attempt folder `number`, or the next free one if that exists."""
    run.spec()  # raises JobError if the folder has gone
    try:
        run.attempt(number).path.mkdir(mode=0o700, parents=True)
        return number
    except FileExistsError:
        return run.new_attempt().number


def free_devices(conn: Connection) -> dict[str, list[str]]:
    """Ids of devices that nobody leases, by kind."""
    query = (
        select(devices.c.id, devices.c.kind)
        .where(devices.c.job_id.is_(None), devices.c.present == 1)
        .order_by(devices.c.position)
    )
    found: dict[str, list[str]] = {"cpu": [], "cuda": []}
    for row in conn.execute(query):
        found[row.kind].append(row.id)
    return found


def count_devices(conn: Connection, kind: str) -> int:
    """Devices of a kind that this machine has."""
    query = select(devices.c.id).where(devices.c.kind == kind, devices.c.present == 1)
    return len(conn.execute(query).all())


def device_kind(conn: Connection, asked: str) -> str:
    """auto is cuda where there are GPUs."""
    if asked != "auto":
        return asked
    return "cuda" if count_devices(conn, "cuda") else "cpu"


def never_fits(conn: Connection, kind: str, processes: int) -> str | None:
    """Why a job cannot ever start on this machine; None if it can."""
    there = count_devices(conn, kind)
    if processes <= there:
        return None
    what = "GPUs" if kind == "cuda" else "CPU slots"
    advice = f"Set launcher.processes to {there} or fewer." if there else "Set launcher.device to cpu."
    return f"The job needs {processes} {what} and this machine has {there}. {advice}"


def device_wanted(spec: JobSpec) -> str:
    """auto, cpu or cuda, as asked; a conversion computes nothing that a GPU is good for."""
    asked = spec.launcher.device
    return "cpu" if spec.kind in ("convert", "inspect") and asked == "auto" else asked


def devices_taken(spec: JobSpec, has_gpus: bool) -> int:
    """How many devices a job leases: one a process. A serve job on the CPU takes none: it mostly waits. Who
    looks at data needs no device, nor does a job for Slurm."""
    if spec.kind == "inspect" or spec.slurm is not None:
        return 0
    wanted = device_wanted(spec)
    on_gpu = wanted == "cuda" or (wanted == "auto" and has_gpus)
    return 0 if spec.kind == "serve" and not on_gpu else spec.launcher.processes
