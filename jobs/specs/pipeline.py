"""Several jobs in a row as one spec: convert, then train, then sample."""

import re
from typing import Any, Literal

from pydantic import Field, model_validator

from jobs.protocol.errors import SpecError
from jobs.protocol.folder import RUN_ID
from jobs.specs.base import Spec
from jobs.specs.job import JobSpec
from jobs.specs.load import parse_spec
from jobs.specs.references import PLACES, RUN_PREFIX, references, renamed

STEP = re.compile(r"^[a-z][a-z0-9_-]{0,39}$")


class PipelineSpec(Spec):
    """Steps that are a job each. A later one may use what an earlier one made: `model.path: run:convert`."""

    version: Literal[1] = 1
    kind: Literal["pipeline"] = "pipeline"
    name: str = Field(default="", max_length=80)
    """A name for people; may repeat."""
    steps: dict[str, dict[str, Any]] = Field(min_length=1, max_length=50)
    """Name of a step -> the spec of its job. They run in this order; a step with `queue.after` waits for the
    steps named there instead of the one before it."""

    @model_validator(mode="after")
    def _steps_are_right(self) -> "PipelineSpec":
        self.jobs()
        return self

    def jobs(self, group: str = "") -> list[JobSpec]:
        """A spec for each step, in order; other steps stand in it by their names.

        Raises: SpecError that names the step.
        """
        found: dict[str, JobSpec] = {}
        for step, data in self.steps.items():
            found[step] = self._job(step, data, found, group)
        return list(found.values())

    def link(self, jobs: list[JobSpec], ids: list[str]) -> list[JobSpec]:
        """The same with ids of jobs in place of names of steps."""
        names = dict(zip(self.steps, ids, strict=True))
        return [renamed(job, names) for job in jobs]

    def _job(self, step: str, data: dict[str, Any], earlier: dict[str, JobSpec], group: str) -> JobSpec:
        where = f"steps.{step}"
        if not STEP.match(step) or RUN_ID.match(step):
            raise SpecError(f"{where}: name a step in small letters, such as convert or train-small.")
        job = parse_spec(data, where)
        after = _after(where, data, job, earlier)
        for place, text in references(job).items():
            named = text.removeprefix(RUN_PREFIX)
            makers = PLACES[job.kind][place]
            if named in earlier and earlier[named].kind not in makers:
                kind = earlier[named].kind
                raise SpecError(
                    f"{where}.{place}: {named} is a {kind} job; a {' or '.join(makers)} job fits."
                )
            if named not in earlier and not RUN_ID.match(named):
                raise SpecError(
                    f"{where}.{place}: there is no step {named!r} before this one. {_known(earlier)}"
                )
            if named in earlier and named not in after:
                after.append(named)
        queue = job.queue.model_copy(update={"after": after, "group": group, "place": step})
        name = job.name or f"{self.name}: {step}".removeprefix(": ")
        return job.model_copy(update={"queue": queue, "name": name})


def _after(where: str, data: dict[str, Any], job: JobSpec, earlier: dict[str, JobSpec]) -> list[str]:
    """What a step waits for. Raises: SpecError for what is no earlier step and no job."""
    queue = data.get("queue")
    if not isinstance(queue, dict) or "after" not in queue:
        return list(earlier)[-1:]
    for other in job.queue.after:
        if other not in earlier and not RUN_ID.match(other):
            raise SpecError(
                f"{where}.queue.after: there is no step {other!r} before this one. {_known(earlier)}"
            )
    return list(job.queue.after)


def _known(earlier: dict[str, JobSpec]) -> str:
    return f"Before it: {', '.join(earlier)}." if earlier else "It is the first."
