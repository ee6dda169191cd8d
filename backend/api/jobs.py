"""/api/jobs: submit, stop, resume, delete, and each one's turn in the queue."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Request
from pydantic import BaseModel, Field

from backend.api.errors import NotFound
from backend.remarks import TAGS, checked_tags
from backend.services.job_view import JobView
from backend.studio import Studio
from jobs.protocol.errors import JobError
from jobs.specs.load import parse_spec
from jobs.specs.probe import probe_of


class Submission(BaseModel):
    """A job to start. The same `request_id` twice starts one job."""

    spec: dict[str, Any]
    request_id: str | None = Field(default=None, max_length=200)
    tags: list[str] = Field(default=[], max_length=TAGS)
    """Put on the run; they are no part of its spec."""
    probe: bool = False
    """Measure three steps of a training instead of carrying it out."""


class Place(BaseModel):
    """Where a queued job shall stand: one of these."""

    before: str | None = None
    """The id of another queued job."""
    after: str | None = None
    """The id of another queued job."""
    to: Literal["top", "bottom", "up", "down"] | None = None
    """An end of the queue, or one place from where it is."""


def known(job_id: str, request: Request) -> str:
    """A job's id out of the path. Raises: NotFound."""
    studio: Studio = request.app.state.studio
    try:
        return studio.jobs.get(job_id).id
    except JobError as error:
        raise NotFound(str(error)) from None


Known = Annotated[str, Depends(known)]


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter(prefix="/jobs")

    @routes.post("", status_code=201)
    def submit(submission: Submission) -> JobView:
        spec, tags = parse_spec(submission.spec), checked_tags(submission.tags)
        job = studio.jobs.submit(probe_of(spec) if submission.probe else spec, submission.request_id)
        if tags:
            studio.remarks.tag(job.id, add=tags)
        return studio.jobs.get(job.id)

    @routes.get("/{job_id}")
    def job(job_id: Known) -> JobView:
        return studio.jobs.get(job_id)

    @routes.post("/{job_id}/stop")
    def stop(job_id: Known, grace: Annotated[float, Body(embed=True, ge=0, le=3600)] = 30) -> JobView:
        return studio.jobs.stop(job_id, grace)

    @routes.post("/{job_id}/resume")
    def resume(job_id: Known) -> JobView:
        return studio.jobs.resume(job_id)

    @routes.post("/{job_id}/hold")
    def hold(job_id: Known) -> JobView:
        studio.queue.hold(job_id)
        return studio.jobs.get(job_id)

    @routes.post("/{job_id}/release")
    def release(job_id: Known) -> JobView:
        studio.queue.release(job_id)
        return studio.jobs.get(job_id)

    @routes.post("/{job_id}/priority")
    def priority(job_id: Known, priority: Annotated[int, Body(embed=True, ge=-100, le=100)]) -> JobView:
        studio.queue.set_priority(job_id, priority)
        return studio.jobs.get(job_id)

    @routes.post("/{job_id}/move")
    def move(job_id: Known, place: Place) -> JobView:
        studio.queue.move(job_id, before=place.before, after=place.after, to=place.to)
        return studio.jobs.get(job_id)

    @routes.delete("/{job_id}")
    def delete(job_id: Known) -> dict:
        studio.jobs.delete(job_id)
        return {"deleted": job_id}

    return routes
