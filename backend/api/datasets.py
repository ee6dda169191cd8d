"""/api/datasets: which data there is, and its first rows."""

from typing import Annotated

from fastapi import APIRouter, Query

from backend.services.datasets import DatasetView
from backend.studio import Studio


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter(prefix="/datasets")

    @routes.get("")
    def datasets() -> dict[str, list[DatasetView]]:
        return {"datasets": studio.datasets.list()}

    @routes.get("/preview")
    def preview(name: str, n: Annotated[int, Query(ge=1, le=100)] = 5) -> dict:
        return {"rows": studio.datasets.preview(name, n)}

    return routes
