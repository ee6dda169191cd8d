"""GET /api/health: whether the server answers."""

from fastapi import APIRouter, Request

from backend.studio import Studio


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter()

    @routes.get("/health")
    def health(request: Request) -> dict:
        """`trouble` is what keeps the scheduler from working, if anything does."""
        return {"ok": studio.trouble is None, "version": request.app.version, "trouble": studio.trouble}

    return routes
