"""/api/models: which models there are."""

from fastapi import APIRouter

from backend.api.errors import NotFound
from backend.services.checkpoints import ModelView
from backend.studio import Studio
from jobs.protocol.errors import ModelError


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter(prefix="/models")

    @routes.get("")
    def models() -> dict[str, list[ModelView]]:
        return {"models": studio.models.list()}

    @routes.get("/view")
    def view(name: str) -> ModelView:
        try:
            return studio.models.get(name)
        except ModelError as error:
            raise NotFound(str(error)) from None

    return routes
