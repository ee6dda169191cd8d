"""/api/jobs/ID/...: what a job wrote."""

from typing import Annotated

from fastapi import APIRouter, Query

from backend.api.jobs import Known
from backend.services.relatives import Relatives
from backend.studio import Studio

LOG_BYTES = 1_000_000


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter(prefix="/jobs")

    @routes.get("/{job_id}/log")
    def log(
        job_id: Known,
        attempt: Annotated[int | None, Query(ge=1)] = None,
        offset: int = 0,
        limit: Annotated[int, Query(ge=1, le=LOG_BYTES)] = 200_000,
    ) -> dict:
        """A negative offset counts from the end."""
        text, following = studio.jobs.log(job_id, attempt, offset, limit)
        return {"text": text, "offset": following}

    @routes.get("/{job_id}/metrics")
    def metrics(
        job_id: Known,
        names: str = "",
        max_points: Annotated[int, Query(ge=2, le=10_000)] = 500,
        first: Annotated[int | None, Query(ge=0)] = None,
        last: Annotated[int | None, Query(ge=0)] = None,
    ) -> dict:
        """With `first` and `last` those steps alone, in more detail."""
        wanted = [name for name in names.split(",") if name] or None
        return {"metrics": studio.jobs.metrics(job_id, wanted, max_points, first, last)}

    @routes.get("/{job_id}/levels")
    def levels(job_id: Known) -> dict:
        return studio.jobs.levels(job_id)

    @routes.get("/{job_id}/events")
    def events(job_id: Known, offset: Annotated[int, Query(ge=0)] = 0) -> dict:
        found, following = studio.jobs.events(job_id, offset)
        return {"events": found, "offset": following}

    @routes.get("/{job_id}/relatives")
    def relatives(job_id: Known) -> Relatives:
        return studio.relatives.of(job_id)

    @routes.get("/{job_id}/checkpoints")
    def checkpoints(job_id: Known) -> dict:
        return {"checkpoints": studio.jobs.checkpoints(job_id)}

    @routes.delete("/{job_id}/checkpoints/{step}")
    def delete_checkpoint(job_id: Known, step: int, sure: bool = False) -> dict:
        """`sure`: also the last one, or the best. Refused while a job needs it."""
        studio.checkpoint_removal.remove(job_id, step, sure)
        return {"deleted": step}

    return routes
