"""/api/disk: what the home folder holds, and what is free."""

import shutil

from fastapi import APIRouter

from backend.services import prepared
from backend.services.disk import folder_size
from backend.studio import Studio


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter()

    @routes.get("/disk")
    def disk() -> dict[str, int]:
        """Bytes: of runs, of prepared data, and free on their disk."""
        return {
            "runs": folder_size([studio.runs]),
            "prepared": sum(one.size_bytes for one in prepared.preparations(studio.cleanup.prepared)),
            "free": shutil.disk_usage(studio.home).free,
        }

    return routes
