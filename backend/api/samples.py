"""/api/sample, /api/lanes, /api/samples, /api/serving: the playground's model server."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from backend.api.errors import NotFound
from backend.services.lanes import Lane, side_by_side
from backend.services.precision import Dtype
from backend.services.question import Question, cautions_of
from backend.services.samples import SampleView
from backend.services.sampling import Handle
from backend.studio import Studio
from jobs.protocol import trajectory
from jobs.protocol.errors import JobError


class OfOneModel(Question):
    """One text to sample; exactly one of prompt, messages, infill and grid."""

    model: str
    sampler: dict[str, Any] | None = None
    seed: int = Field(default=0, ge=0)


class SideBySide(Question):
    """One text, written in several lanes."""

    lanes: list[Lane]


class Settings(BaseModel):
    """How a model would write."""

    model: str
    sampler: dict[str, Any]


class Change(BaseModel):
    """What a branch does otherwise than the text that it leaves."""

    step: int | None = None
    pins: dict[int, str | int] = {}
    remask: list[int] = []
    sampler: dict[str, Any] | None = None
    seed: int | None = Field(default=None, ge=0)


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter()

    @routes.post("/sample", status_code=202)
    def sample(question: OfOneModel) -> Handle:
        return studio.sampling.generate(**dict(question))

    @routes.post("/sample/cautions")
    def known_troubles(asked: Settings) -> dict[str, list[str]]:
        return {"cautions": cautions_of(studio.models, asked.model, asked.sampler)}

    @routes.post("/lanes", status_code=202)
    def lanes(wanted: SideBySide) -> dict[str, list[Handle]]:
        question = Question(**wanted.model_dump(exclude={"lanes"}))
        return {"lanes": side_by_side(studio.sampling, question, wanted.lanes)}

    @routes.get("/samples")
    def recent(n: Annotated[int, Query(ge=1, le=200)] = 20) -> dict[str, list[SampleView]]:
        return {"samples": studio.sampling.recent(n)}

    @routes.get("/samples/{request}")
    def whole(request: str) -> dict:
        try:
            path = studio.sampling.find(request)
        except JobError as error:
            raise NotFound(str(error)) from None
        lines = trajectory.read(path) if path.exists() else []
        done = bool(lines) and lines[-1].get("type") == "end"
        return {
            "request": request,
            "lines": lines,
            "done": done,
            "phase": studio.sampling.phase(request),
        }

    @routes.get("/samples/{request}/file")
    def file(request: str) -> FileResponse:
        try:
            path = studio.sampling.find(request)
        except JobError as error:
            raise NotFound(str(error)) from None
        if not path.is_file():
            raise NotFound(f"The sample {request} has not begun yet.")
        return FileResponse(path, media_type="application/jsonl", filename=path.name)

    _steering(studio, routes)
    _serving(studio, routes)
    return routes


def _steering(studio: Studio, routes: APIRouter) -> None:
    """What can be done to a sample."""

    @routes.post("/samples/{request}/cancel")
    def cancel(request: str) -> dict:
        return {"cancelled": studio.sampling.cancel(request)}

    @routes.post("/samples/{request}/pause")
    def pause(request: str) -> dict:
        studio.sampling.pause(request)
        return {"paused": True}

    @routes.post("/samples/{request}/resume")
    def resume(request: str) -> dict:
        studio.sampling.pause(request, False)
        return {"paused": False}

    @routes.post("/samples/{request}/branch", status_code=202)
    def branch(request: str, change: Change) -> Handle:
        return studio.sampling.branch(request, **dict(change))


def _serving(studio: Studio, routes: APIRouter) -> None:
    """The models that are held."""

    @routes.get("/serving")
    def serving() -> dict:
        return studio.sampling.status()

    @routes.post("/serving/unload")
    def unload(model: Annotated[str, Body(embed=True)]) -> dict:
        studio.sampling.unload(model)
        return {"unloaded": model}

    @routes.post("/serving/probe")
    def probe(model: Annotated[str, Body(embed=True)]) -> dict:
        return studio.precision.probe(model)

    @routes.post("/serving/load")
    def load(model: Annotated[str, Body()], dtype: Annotated[Dtype, Body()] = "auto") -> dict:
        studio.precision.load(model, dtype)
        return {"loaded": model, "dtype": dtype}
