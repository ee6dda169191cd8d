"""The composition root: one home folder, its services, and the loop that moves jobs."""

import logging
import shutil
import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from backend import devices
from backend.lease import SchedulerLease
from backend.queue_note import keep_all
from backend.reconciler import Reconciler
from backend.scheduler import Scheduler
from backend.services.jobs import JobService
from backend.services.queue import QueueService
from backend.services.starting import LastLook
from backend.store import Store
from jobs.executors import Executor, LocalExecutor, RoutedExecutor, SlurmExecutor
from jobs.protocol.errors import ResourceError
from jobs.protocol.folder import RunFolder
from jobs.specs.job import JobSpec

if TYPE_CHECKING:
    from backend.services.bulk import BulkService
    from backend.services.checkpoint_removal import CheckpointRemoval
    from backend.services.cleanup import CleanupService
    from backend.services.datasets import DatasetService
    from backend.services.disk import DiskGuard
    from backend.services.disk_use import DiskUseService
    from backend.services.estimates import EstimateService
    from backend.services.groups import GroupService
    from backend.services.job_search import JobSearch
    from backend.services.looking import LookingService
    from backend.services.models import ModelService
    from backend.services.precision import PrecisionService
    from backend.services.relatives import RelativesService
    from backend.services.remarks import RemarkService
    from backend.services.resolve import Resolver
    from backend.services.sampling import SamplingService
    from backend.services.sharing import SharingService
    from backend.services.training import TrainingService

log = logging.getLogger(__name__)

ACTIVE_SECONDS, IDLE_SECONDS, TROUBLE_SECONDS = 0.5, 1.0, 5.0


class Studio:
    """Services over one home folder. Cheap to make; `start` also schedules and reconciles in a thread.

    Several processes may hold a Studio on the same home; the scheduler's lease lets one of them schedule, and
    another takes over when that one dies.
    """

    def __init__(
        self,
        home: Path | str,
        executor: Executor | None = None,
        resolve: Callable[[JobSpec], JobSpec] | None = None,
        census: Callable[[], list[devices.Device]] = devices.census,
    ):
        """Raises: ResourceError if the home cannot be used."""
        self.home = Path(home).expanduser().resolve()
        self.runs = self.home / "runs"
        self.store = Store(self.home)
        self.executor: Executor = executor or RoutedExecutor(LocalExecutor(), SlurmExecutor())
        self.lease = SchedulerLease(self.store)
        self.trouble: str | None = None  # what keeps the scheduler from working, for the page to show
        self._resolve = resolve
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._reconciler = Reconciler(self.store, self.runs, self.executor)
        self._scheduler = Scheduler(self.store, self.runs, self.executor, self.lease, self._last_look)
        self._census = census
        self._scheduling = False
        if not devices.recorded(self.store):
            devices.record(self.store, census())

    # --- services: made when asked for, so that a command loads only what it needs ----

    @cached_property
    def jobs(self) -> JobService:
        resolve = self._resolve or self.resolver
        check = self.estimates.refuse if self._resolve is None else None
        return JobService(self.store, self.runs, self.executor, self.lease, resolve, self._wake.set, check)

    @cached_property
    def queue(self) -> QueueService:
        return QueueService(self.store, self.runs, self._wake.set)

    @cached_property
    def remarks(self) -> "RemarkService":
        from backend.services.remarks import RemarkService  # noqa: PLC0415

        return RemarkService(self.store, self.runs)

    @cached_property
    def search(self) -> "JobSearch":
        from backend.services.job_search import JobSearch  # noqa: PLC0415

        return JobSearch(self.jobs, self.groups)

    @cached_property
    def bulk(self) -> "BulkService":
        from backend.services.bulk import BulkService  # noqa: PLC0415

        return BulkService(self.jobs, self.queue, self.remarks)

    @cached_property
    def checkpoint_removal(self) -> "CheckpointRemoval":
        from backend.services.checkpoint_removal import CheckpointRemoval  # noqa: PLC0415

        return CheckpointRemoval(self.jobs)

    @cached_property
    def relatives(self) -> "RelativesService":
        from backend.services.relatives import RelativesService  # noqa: PLC0415

        return RelativesService(self.jobs, self.models, self.looking.lineage)

    @cached_property
    def estimates(self) -> "EstimateService":
        from backend.services.estimates import EstimateService  # noqa: PLC0415

        return EstimateService(self.models, lambda: self.jobs.devices())

    @cached_property
    def disk(self) -> "DiskGuard":
        from backend.services.disk import DiskGuard  # noqa: PLC0415

        return DiskGuard(self.store, self.runs, self.estimates)

    @cached_property
    def disk_use(self) -> "DiskUseService":
        from backend.services.disk_use import DiskUseService  # noqa: PLC0415

        return DiskUseService(self.home, self.runs, self.datasets.prepared)

    @cached_property
    def cleanup(self) -> "CleanupService":
        from backend.services.cleanup import CleanupService  # noqa: PLC0415

        return CleanupService(self.jobs, self.datasets.prepared)

    @cached_property
    def resolver(self) -> "Resolver":
        from backend.services.resolve import Resolver  # noqa: PLC0415

        return Resolver(self.models, self.datasets)

    @cached_property
    def models(self) -> "ModelService":
        from backend.services.models import ModelService  # noqa: PLC0415

        return ModelService(self.home)

    @cached_property
    def datasets(self) -> "DatasetService":
        from backend.services.datasets import DatasetService  # noqa: PLC0415

        return DatasetService(self.home)

    @cached_property
    def training(self) -> "TrainingService":
        from backend.services.training import TrainingService  # noqa: PLC0415

        return TrainingService(
            jobs=self.jobs,
            resolver=self.resolver,
            home=self.home,
            need=self.estimates.need,
            warnings=self.disk.warnings,
        )

    @cached_property
    def groups(self) -> "GroupService":
        from backend.services.groups import GroupService  # noqa: PLC0415

        return GroupService(self.jobs, self.queue, self.home, lambda name: self.training.recipe(name).spec)

    @cached_property
    def looking(self) -> "LookingService":
        from backend.services.looking import LookingService  # noqa: PLC0415

        return LookingService(self.jobs, self.resolver, self.datasets, self.home)

    @cached_property
    def precision(self) -> "PrecisionService":
        from backend.services.precision import PrecisionService  # noqa: PLC0415

        return PrecisionService(self.sampling, self.models)

    @cached_property
    def sampling(self) -> "SamplingService":
        from backend.services.sampling import SamplingService  # noqa: PLC0415

        return SamplingService(jobs=self.jobs, models=self.models, home=self.home)

    @cached_property
    def sharing(self) -> "SharingService":
        from backend.installed import installed_version  # noqa: PLC0415
        from backend.services.sharing import SharingService  # noqa: PLC0415

        return SharingService(self.sampling, self.models, self.runs, installed_version())

    # --- the loop ----

    @property
    def holds_lease(self) -> bool:
        """Whether this process schedules now."""
        current = self.scheduler_holder()
        return current is not None and current["token"] == self.lease.holder["token"]

    def scheduler_holder(self) -> dict | None:
        """{token, pid, ...} of the process that schedules; None if nobody does."""
        return self.lease.current()

    def start(self) -> None:
        """Schedule and reconcile from now on, whenever nobody else does."""
        if self._thread is None:
            self._sweep_deleted()
            self._thread = threading.Thread(target=self._loop, name="scheduler", daemon=True)
            self._thread.start()

    def refresh(self) -> bool:
        """Bring the rows up to date once, unless another process does that. True if we did."""
        if self._thread is not None:  # the loop does it; two passes at once would disturb a start
            self._wake.set()
            return self.holds_lease
        if not self.lease.hold():
            return False
        try:
            self._list_again()
            self._reconciler.tick()
        finally:
            self.lease.release()
        return True

    def close(self) -> None:
        """Let the lease go; jobs go on. Safe to call twice."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=30)
            self._thread = None
        try:
            self.lease.release()
        except ResourceError as error:  # it runs out by itself
            log.warning("%s", error)
        self.store.close()

    def __enter__(self) -> "Studio":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _loop(self) -> None:
        while not self._closing.is_set():
            try:
                pause = self._pass()
                self.trouble = None
            except ResourceError as error:
                log.error("%s", error)
                self.trouble, pause = str(error), TROUBLE_SECONDS
            except Exception as error:  # the loop must outlive any one job's trouble
                log.exception("the scheduler goes on after an error")
                self.trouble, pause = f"{type(error).__name__}: {error}", TROUBLE_SECONDS
            self._wake.wait(pause)
            self._wake.clear()

    def _pass(self) -> float:
        """One round; returns how long to rest."""
        if not self.lease.hold():
            self._scheduling = False
            return IDLE_SECONDS
        self.store.check_file()
        if not self._scheduling:  # what the scheduler sees counts, not what some shell's variables hide
            devices.record(self.store, self._census())
            self._list_again()
            keep_all(self.store, self.runs)
            self._scheduling = True
        active = self._reconciler.tick()
        started = self._scheduler.tick()
        return ACTIVE_SECONDS if active or started else IDLE_SECONDS

    def _last_look(self, run: RunFolder) -> None:
        resolve = self._resolve or self.resolver
        look = LastLook(self.store, resolve, lambda run, spec: self.estimates.refuse(spec), self.disk.refuse)
        look(run)

    def _list_again(self) -> None:
        """A database without jobs beside run folders is a new one; it must know who holds which device."""
        if self.jobs.list(limit=1) or not any(self.runs.glob("*/spec.json")):
            return
        if found := self.jobs.rebuild(only_if_empty=True):
            log.warning("The database had no jobs; %d were listed again from their run folders.", len(found))

    def _sweep_deleted(self) -> None:
        from backend.services.cleanup import deleted_runs  # noqa: PLC0415

        for path in deleted_runs(self.runs):
            shutil.rmtree(path, ignore_errors=True)
