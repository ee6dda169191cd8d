"""Pipelines and sweeps: submitted in one go, shown, stopped, run again and deleted as one.

Which jobs belong together stands in their specs (`queue.group`). What was submitted is kept in
groups/<id>.json of the home folder, which stays when the jobs are deleted: no number is given twice.
"""

import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select

from backend.remarks import KEEP
from backend.services.comparison import Comparison, compare, in_order
from backend.services.job_view import JobView, build_views
from backend.services.jobs import JobService
from backend.services.queue import QueueService
from backend.store.tables import jobs as job_rows
from jobs.protocol.errors import JobError, ResourceError
from jobs.protocol.folder import read_json, write_json
from jobs.protocol.states import ACTIVE, State
from jobs.specs.groups import GroupSpec, parse_group
from jobs.specs.job import JobSpec
from jobs.specs.pipeline import PipelineSpec

LOSSES = ("validation_loss", "loss")  # by which the best job is found: the first that any job has
GROUP_ID = re.compile(r"^(?:pipeline|sweep)-(\d{4,})$")


class Best(BaseModel):
    """The job of a group that came out best, as far as is known now."""

    model_config = ConfigDict(frozen=True)

    job: str
    metric: str
    value: float


class GroupView(BaseModel):
    """A pipeline or a sweep in a list."""

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    """pipeline, sweep, or empty where the jobs were put together by hand."""
    name: str
    state: str
    """running, queued, failed, stopped or succeeded: the first that fits any of its jobs."""
    counts: dict[str, int]
    """State -> jobs in it."""
    created_at: float
    best: Best | None
    """The job with the lowest loss, on the rows held out where any job has that."""
    kept: int
    """Jobs with the tag `keep`: they should not be deleted without saying so."""


class GroupDetail(GroupView):
    """A pipeline or a sweep with its jobs."""

    jobs: list[JobView]
    comparison: Comparison
    """In what the jobs differ, and what came of each."""


Groups = list[GroupView]  # names for list[...]: inside the class, `list` is its method
Jobs = list[JobView]
Specs = list[JobSpec]
Rows = list[Any]


class GroupService:
    """Groups of jobs by id. `recipe` gives the spec of a recipe by its name."""

    def __init__(
        self, jobs: JobService, queue: QueueService, home: Path, recipe: Callable[[str], dict[str, Any]]
    ):
        self.jobs, self.queue, self.store = jobs, queue, jobs.store
        self.folder, self.recipe = home / "groups", recipe

    # --- asking ----

    def list(self, limit: int = 200) -> Groups:
        """Groups that have jobs, newest first."""
        group = job_rows.c.group
        query = select(group).where(group != "").group_by(group).limit(limit)
        with self.store.read() as conn:
            names = conn.execute(query.order_by(func.min(job_rows.c.created_at).desc())).scalars().all()
        return self.views(names)

    def views(self, names: Iterable[str]) -> Groups:
        """The groups of these names that have jobs, newest first."""
        columns = (
            job_rows.c.group,
            job_rows.c.state,
            job_rows.c.created_at,
            job_rows.c.id,
            job_rows.c.latest,
            job_rows.c.tags,
        )
        members: dict[str, Rows] = {}
        with self.store.read() as conn:
            for row in conn.execute(select(*columns).where(job_rows.c.group.in_([*names]))):
                members.setdefault(row.group, []).append(row)
        found = [GroupView(**self._facts(name, rows)) for name, rows in members.items()]
        return sorted(found, key=lambda view: view.created_at, reverse=True)

    def get(self, group: str) -> GroupDetail:
        """One group. Raises: JobError if there is none."""
        found, views = self._members(group), self.views([group])
        if not views:  # deleted between the two
            raise _no_group(group)
        return GroupDetail(
            **views[0].model_dump(), jobs=found, comparison=compare(self.store, [job.id for job in found])
        )

    def exists(self, name: str) -> bool:
        """Whether a name is that of a group with jobs."""
        with self.store.read() as conn:
            query = select(job_rows.c.id).where(job_rows.c.group == name, job_rows.c.group != "").limit(1)
            return conn.execute(query).first() is not None

    def specs(self, spec: GroupSpec | dict[str, Any], group: str = "") -> Specs:
        """The jobs that a pipeline or sweep comes to. Raises: SpecError that names the step or point."""
        spec = parse_group(spec) if isinstance(spec, dict) else spec
        if isinstance(spec, PipelineSpec):
            return spec.jobs(group)
        return spec.jobs(self.recipe(spec.base) if isinstance(spec.base, str) else spec.base, group)

    # --- doing ----

    def submit(self, spec: GroupSpec | dict[str, Any], request_id: str | None = None) -> GroupDetail:
        """Queue all jobs of a pipeline or sweep, or none. A repeated `request_id` makes no second group.

        Raises: StudioError of the first step or point that is wrong; nothing is queued then.
        """
        spec = parse_group(spec) if isinstance(spec, dict) else spec
        self.specs(spec)  # what is wrong takes no number
        record = self._reserve(spec)
        try:
            members = self.specs(spec, record.stem)
            link = {"link": spec.link} if isinstance(spec, PipelineSpec) else {}
            made = self.jobs.submit_all(members, request_id, **link)
        except BaseException:
            record.unlink(missing_ok=True)
            raise
        group = made[0].spec["queue"]["group"]
        if group != record.stem:  # an earlier call with this request made it
            record.unlink(missing_ok=True)
        return self.get(group)

    def stop(self, group: str, grace: float = 30) -> Jobs:
        """Stop every job that has not ended: first those that wait, so that none begins meanwhile."""
        found = [job for job in self._members(group) if job.active]
        waiting = [job for job in found if job.state == State.QUEUED]
        for job in [*waiting, *(job for job in found if job.state != State.QUEUED)]:
            self.jobs.stop(job.id, grace)
        return self._members(group)

    def hold(self, group: str) -> Jobs:
        """Keep the jobs that wait from starting."""
        return self._each_waiting(group, self.queue.hold)

    def release(self, group: str) -> Jobs:
        """Let held jobs go."""
        return self._each_waiting(group, self.queue.release)

    def rerun(self, group: str) -> Jobs:
        """Queue once more what failed, was stopped or lost, and what was ended because of that; returns these
        jobs. Each goes on from its last checkpoint; what succeeded or is under way stays as it is.

        Raises: JobError where there is nothing of that kind.
        """
        again = [job for job in self._members(group) if job.resumable]
        if not again:
            raise JobError(f"{group} has nothing to run again: every job succeeded or has yet to end.")
        return [self.jobs.resume(job.id) for job in again]  # earlier steps first: later ones wait for them

    def delete(self, group: str) -> None:
        """Delete all jobs with their folders. Raises: JobError if one of them has not ended."""
        found = self._members(group)
        if waits := [job.id for job in found if job.active]:
            raise JobError(f"{waits[0]} of {group} has not ended; stop the group before deleting it.")
        for job in found:
            self.jobs.delete(job.id)

    # --- inside ----

    def _members(self, group: str) -> Jobs:
        scheduled = self.jobs.is_scheduled()
        with self.store.read() as conn:
            rows = conn.execute(select(job_rows).where(job_rows.c.group == group)).all() if group else []
            found = build_views(conn, in_order(rows), str(self.jobs.runs), scheduled)
        if not found:
            raise _no_group(group)
        return found

    def _each_waiting(self, group: str, act: Callable[[str], None]) -> Jobs:
        for job in self._members(group):
            if job.state == State.QUEUED:
                with suppress(JobError):  # it has just begun
                    act(job.id)
        return self._members(group)

    def _facts(self, group: str, rows: Rows) -> dict[str, Any]:
        match = GROUP_ID.match(group)
        record = (read_json(self.folder / f"{group}.json") if match else None) or {}
        kind = group.rpartition("-")[0] if match else ""
        counts = Counter(row.state for row in rows)
        told = {"id": group, "kind": kind, "name": record.get("name", ""), "best": _best(rows)}
        told |= {
            "kept": sum(KEEP in json.loads(row.tags) for row in rows),
            "state": overall(counts),
            "created_at": min(row.created_at for row in rows),
        }
        return told | {"counts": {str(state): count for state, count in counts.items()}}

    def _reserve(self, spec: GroupSpec) -> Path:
        """Take the next number and note what was submitted under it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            number = 1 + max((int(n) for n in self._numbers()), default=0)
            while True:
                path = self.folder / f"{spec.kind}-{number:04d}.json"
                try:
                    path.touch(exist_ok=False)  # fails if another process was faster
                    break
                except FileExistsError:
                    number += 1
            facts = {"name": _title(spec), "created_at": time.time(), "spec": spec.model_dump(mode="json")}
            write_json(path, facts)
        except OSError as error:
            raise ResourceError(f"{self.folder} cannot be written: {error.strerror}.") from None
        return path

    def _numbers(self) -> Iterable[str]:
        """Numbers of all groups that there were, in the folder or in the specs of jobs."""
        with self.store.read() as conn:
            known = list(conn.execute(select(job_rows.c.group).distinct()).scalars())
        names = [*known, *(path.stem for path in self.folder.glob("*.json"))]
        return [match[1] for name in names if (match := GROUP_ID.match(name))]


def overall(counts: Counter[str]) -> str:
    """One word for the states of several jobs."""
    states = {State(state) for state, count in counts.items() if count}
    if states & ACTIVE:
        return "running"
    for state, told in ((State.QUEUED, "queued"), (State.FAILED, "failed"), (State.LOST, "failed")):
        if state in states:
            return told
    return "succeeded" if states == {State.SUCCEEDED} else "stopped"


def _best(rows: Iterable[Any]) -> Best | None:
    found = [(row.id, json.loads(row.latest)) for row in rows]
    for metric in LOSSES:
        values = [(latest[metric], job_id) for job_id, latest in found if metric in latest]
        if finite := [pair for pair in values if math.isfinite(pair[0])]:
            value, job_id = min(finite)
            return Best(job=job_id, metric=metric, value=value)
    return None


def _title(spec: GroupSpec) -> str:
    if spec.name or isinstance(spec, PipelineSpec):
        return spec.name
    return spec.base if isinstance(spec.base, str) else str(spec.base.get("name") or "")


def _no_group(group: str) -> JobError:
    return JobError(f"There is no pipeline or sweep {group!r}. `studio groups` lists them.")
