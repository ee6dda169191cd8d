"""/api/jobs: lists of jobs, and what is done to many of them at once."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from backend.api.remarks import Tags
from backend.services.bulk import Action, Outcome
from backend.services.job_search import JobBrief, JobPage, Order, Wanted
from backend.studio import Studio
from jobs.protocol.states import State

MOST_AT_ONCE = 1000
MOST_OFFSET = 2**31
Words = Annotated[Annotated[list[str], Field(max_length=50)] | None, Query()]


class Bulk(BaseModel):
    """One thing to do to many jobs."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    ids: Annotated[list[str], Field(min_length=1, max_length=MOST_AT_ONCE)]
    add: Tags = []
    """Tags to put on, for the action `tag`."""
    remove: Tags = []
    """Tags to take off."""


def wanted(
    search: Annotated[str, Query(max_length=500)] = "",
    state: Annotated[list[State] | None, Query()] = None,
    kind: Words = None,
    tag: Words = None,
    group: str = "",
    order: Order = "newest",
) -> Wanted:
    """The filters of an address."""
    filters = {"states": state or (), "kinds": kind or (), "tags": tag or ()}
    return Wanted(search=search, group=group, order=order, **filters)


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter(prefix="/jobs")

    @routes.get("")
    def jobs(
        wanted: Annotated[Wanted, Depends(wanted)],
        limit: Annotated[int, Query(ge=1, le=MOST_AT_ONCE)] = 200,
        offset: Annotated[int, Query(ge=0, le=MOST_OFFSET)] = 0,
        fold: bool = False,
    ) -> JobPage:
        """A page of the jobs that match; with `fold` of each group only the first, and the group."""
        return studio.search.page(wanted, limit, offset, fold)

    @routes.get("/matching")
    def matching(wanted: Annotated[Wanted, Depends(wanted)]) -> dict[str, list[JobBrief]]:
        """All that match, in a few words each."""
        return {"jobs": studio.search.briefs(wanted)}

    @routes.post("/bulk")
    def bulk(wish: Bulk) -> Outcome:
        return studio.bulk.carry_out(wish.action, wish.ids, wish.add, wish.remove)

    return routes
