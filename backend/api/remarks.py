"""/api/jobs/ID/tags and /note, /api/tags: what people write about runs."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from backend.api.jobs import Known
from backend.remarks import NOTE_LENGTH, TAG_LENGTH, TAGS
from backend.services.job_view import JobView
from backend.studio import Studio

Text = Annotated[str, Field(max_length=2 * NOTE_LENGTH)]  # the sentence on what is too long comes after
Tags = Annotated[list[Annotated[str, Field(max_length=10 * TAG_LENGTH)]], Field(max_length=2 * TAGS)]


class TagChange(BaseModel):
    """Tags to put on and to take off; the others stay."""

    model_config = ConfigDict(extra="forbid")

    add: Tags = []
    remove: Tags = []


class NoteChange(BaseModel):
    """A note in place of the one that was there."""

    model_config = ConfigDict(extra="forbid")

    note: Text
    before: Text | None = None
    """The note that the writer saw: 409 if it is another one by now."""


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter()

    @routes.get("/tags")
    def tags() -> dict[str, dict[str, int]]:
        return {"tags": studio.remarks.tags()}

    @routes.post("/jobs/{job_id}/tags")
    def tag(job_id: Known, change: TagChange) -> JobView:
        studio.remarks.tag(job_id, change.add, change.remove)
        return studio.jobs.get(job_id)

    @routes.post("/jobs/{job_id}/note")
    def note(job_id: Known, change: NoteChange) -> JobView:
        studio.remarks.write_note(job_id, change.note, change.before)
        return studio.jobs.get(job_id)

    return routes
