"""What a run came from and what came of it, each by its name, for the page of the run."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Connection, func, select

from backend.services.jobs import JobService
from backend.services.lineage import AFTER, CLONE, related, run_of
from backend.services.models import ModelService
from backend.store.tables import jobs as job_rows
from jobs.protocol.errors import StudioError
from jobs.protocol.folder import CHECKPOINT
from jobs.protocol.states import State

MODEL_PLACES = ("model.path", "source", "lora_base", "model")
SESSIONS = ("serve", "inspect")  # they look at a run and make nothing of it
BY_ID = (AFTER, CLONE)
"""Places that hold a run's id; the others hold paths and names."""
MOST = 200  # runs that came of one
STEP = re.compile(rf"(?:^|/){CHECKPOINT.pattern.strip('^$')}(?:/|$)")


class Relative(BaseModel):
    """A run, or what else a spec names."""

    place: str
    """The field of the spec that names it, `model.path`."""
    text: str
    """What people call it: a run's name, a model's or data set's, else what stands in the spec."""
    run: str | None = None
    """Its id, where it is a run."""
    state: State | None = None
    """None also of a run that was deleted."""
    kind: str = ""
    step: int | None = None
    """Of the checkpoint that was taken."""
    model: str | None = None
    """The name of a model that is no run's."""


class Relatives(BaseModel):
    """Both directions; the youngest children first."""

    parents: list[Relative]
    children: list[Relative]
    data: list[dict[str, Any]]
    """The version of the data and those before it, back to the first file (LookingService.lineage)."""


class RelativesService:
    """Reads specs; a run that is named there and was deleted is told as such."""

    def __init__(
        self, jobs: JobService, models: ModelService, versions: Callable[[str], list[dict[str, Any]]]
    ):
        self.jobs, self.models, self._versions = jobs, models, versions

    def of(self, job_id: str) -> Relatives:
        """Raises: JobError if there is no such job."""
        job = self.jobs.get(job_id)
        with self.jobs.store.read() as conn:
            parents = [self._parent(conn, place, text) for place, text in related(job.kind, job.spec)]
            children = self._children(conn, job_id)
        data = next((one.text for one in parents if one.place == "data.path"), "")
        return Relatives(parents=parents, children=children, data=self._versions(data) if data else [])

    def _parent(self, conn: Connection, place: str, text: str) -> Relative:
        run = text if place in BY_ID else run_of(text, self.jobs.runs)
        if run is None:
            name = self._model_name(text) if place in MODEL_PLACES else None
            return Relative(place=place, text=name or text, model=name)
        wanted = (job_rows.c[name] for name in ("name", "kind", "state"))
        row = conn.execute(select(*wanted).where(job_rows.c.id == run)).one_or_none()
        step = _step(text)
        if row is None:
            return Relative(place=place, run=run, text=run, step=step)
        state = State(row.state)
        return Relative(place=place, run=run, text=row.name or run, kind=row.kind, state=state, step=step)

    def _children(self, conn: Connection, job_id: str) -> list[Relative]:
        """Specs that hold the id at all are read; few do."""
        query = (
            select(*(job_rows.c[name] for name in ("id", "name", "kind", "state", "spec")))
            .where(func.instr(job_rows.c.spec, job_id) > 0, job_rows.c.id != job_id)
            .where(job_rows.c.kind.not_in(SESSIONS))
            .order_by(job_rows.c.created_at.desc())
        )
        found = []
        for row in conn.execute(query):
            for place, text in related(row.kind, json.loads(row.spec)):
                if job_id == (text if place in BY_ID else run_of(text, self.jobs.runs)):
                    more = {"place": place, "kind": row.kind, "state": row.state, "step": _step(text)}
                    found.append(Relative(run=row.id, text=row.name or row.id, **more))
                    break  # one line a run: by what it takes first
            if len(found) == MOST:
                break
        return found

    def _model_name(self, text: str) -> str | None:
        """The name of a listed model; None for a folder elsewhere, and for one that has gone."""
        try:
            view = self.models.get(text)
        except StudioError:
            return None
        return None if view.source == "path" else view.name


def _step(text: str) -> int | None:
    match = STEP.search(Path(text).as_posix())
    return int(match[1]) if match else None
