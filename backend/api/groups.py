"""/api/groups: pipelines and sweeps, submitted, shown and acted on as one."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request
from pydantic import BaseModel, Field

from backend.api.errors import NotFound
from backend.services.groups import GroupDetail, GroupView
from backend.services.job_view import JobView
from backend.services.training import Preview
from backend.studio import Studio
from jobs.protocol.errors import SpecError
from jobs.specs.groups import GROUPS, is_group


class Candidate(BaseModel):
    """A pipeline or a sweep to look at."""

    spec: dict[str, Any]


class GroupSubmission(Candidate):
    """A pipeline or a sweep to start. The same `request_id` twice starts one."""

    request_id: str | None = Field(default=None, max_length=200)


def known(group: str, request: Request) -> str:
    """A group's id out of the path. Raises: NotFound."""
    studio: Studio = request.app.state.studio
    if not studio.groups.exists(group):
        raise NotFound(f"There is no pipeline or sweep {group!r}.")
    return group


Known = Annotated[str, Depends(known)]


def wanted(candidate: Candidate) -> dict[str, Any]:
    """Raises: SpecError for the spec of a single job."""
    if not is_group(candidate.spec):
        kinds = " or ".join(GROUPS)
        raise SpecError(f"kind must be {kinds}; it is {candidate.spec.get('kind')!r}. Jobs go to /api/jobs.")
    return candidate.spec


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter(prefix="/groups")

    @routes.get("")
    def groups(limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> dict[str, list[GroupView]]:
        return {"groups": studio.groups.list(limit)}

    @routes.post("", status_code=201)
    def submit(submission: GroupSubmission) -> GroupDetail:
        return studio.groups.submit(wanted(submission), submission.request_id)

    @routes.post("/check")
    def check(candidate: Candidate) -> dict[str, list[Preview]]:
        """What a submission would queue, in order; a wrong job has its `problem`."""
        specs = studio.groups.specs(wanted(candidate))
        return {"jobs": [studio.training.preview(spec) for spec in specs]}

    @routes.get("/{group}")
    def group(group: Known) -> GroupDetail:
        return studio.groups.get(group)

    @routes.post("/{group}/stop")
    def stop(
        group: Known, grace: Annotated[float, Body(embed=True, ge=0, le=3600)] = 30
    ) -> dict[str, list[JobView]]:
        return {"jobs": studio.groups.stop(group, grace)}

    @routes.post("/{group}/hold")
    def hold(group: Known) -> dict[str, list[JobView]]:
        return {"jobs": studio.groups.hold(group)}

    @routes.post("/{group}/release")
    def release(group: Known) -> dict[str, list[JobView]]:
        return {"jobs": studio.groups.release(group)}

    @routes.post("/{group}/rerun")
    def rerun(group: Known) -> dict[str, list[JobView]]:
        return {"jobs": studio.groups.rerun(group)}

    @routes.delete("/{group}")
    def delete(group: Known) -> dict[str, str]:
        studio.groups.delete(group)
        return {"deleted": group}

    return routes
