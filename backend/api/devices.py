"""GET /api/devices: what this machine has, and who leases it."""

from fastapi import APIRouter

from backend.studio import Studio


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter()

    @routes.get("/devices")
    def devices() -> dict:
        return {"devices": studio.jobs.devices()}

    return routes
