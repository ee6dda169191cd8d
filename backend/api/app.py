"""The web application: our routes behind the guard. The page is mounted into it by `studio launch`."""

import asyncio
from collections.abc import Iterable

from fastapi import FastAPI

from backend.api import (
    cleanup,
    comparison,
    datasets,
    devices,
    disk,
    errors,
    events,
    groups,
    health,
    job_list,
    job_records,
    jobs,
    looking,
    models,
    recipes,
    remarks,
    samples,
    sharing,
    specs,
)
from backend.api.guard import Guard
from backend.installed import installed_version
from backend.studio import Studio

# One file each; `router(studio)` makes its routes.
ROUTERS = {
    "health": health.router,
    "job_list": job_list.router,
    "jobs": jobs.router,
    "job_records": job_records.router,
    "remarks": remarks.router,
    "groups": groups.router,
    "comparison": comparison.router,
    "cleanup": cleanup.router,
    "models": models.router,
    "datasets": datasets.router,
    "looking": looking.router,
    "recipes": recipes.router,
    "specs": specs.router,
    "samples": samples.router,
    "sharing": sharing.router,
    "devices": devices.router,
    "disk": disk.router,
    "events": events.router,
}


def create_app(
    studio: Studio,
    token: str | None = None,
    allowed_hosts: Iterable[str] = (),
    max_upload_mb: int = 512,
) -> FastAPI:
    """The application over a studio, which the caller starts and closes.

    `app.state.closing` is an event: once set, the streams end.
    """
    # No documentation pages: theirs load scripts from elsewhere.
    app = FastAPI(
        title="dLLM Studio",
        version=installed_version(),
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.studio = studio
    app.state.closing = asyncio.Event()
    for router in ROUTERS.values():
        app.include_router(router(studio), prefix="/api")
    errors.install(app)
    app.add_middleware(Guard, token=token, allowed_hosts=tuple(allowed_hosts), max_upload_mb=max_upload_mb)
    return app
