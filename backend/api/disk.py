"""/api/disk: what the home folder holds, and what is free."""

from fastapi import APIRouter

from backend.services.disk_use import DiskUse
from backend.studio import Studio


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter()

    @routes.get("/disk")
    def disk(fresh: bool = False) -> DiskUse:
        """Sizes, and how long ago they were measured; with `fresh` measured now."""
        return studio.disk_use.now(fresh)

    return routes
