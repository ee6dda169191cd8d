"""/api/samples/...: a text leaves the studio in several forms, or comes in from another one."""

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from backend.services.film_pictures import gif, mp4
from backend.studio import Studio
from jobs.protocol.errors import DataError


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter()

    @routes.get("/samples/{request}/export.json")
    def as_json(request: str) -> JSONResponse:
        return JSONResponse(studio.sharing.document(request), headers=attached(request, "json"))

    @routes.get("/samples/{request}/export.py")
    def as_script(request: str) -> PlainTextResponse:
        script = studio.sharing.script(request)
        return PlainTextResponse(script, headers=attached(request, "py"), media_type="text/x-python")

    @routes.get("/samples/{request}/export.gif")
    def as_gif(request: str) -> Response:
        document = studio.sharing.document(request)
        return Response(gif(document["lines"]), headers=attached(request, "gif"), media_type="image/gif")

    @routes.get("/samples/{request}/export.mp4")
    def as_mp4(request: str) -> Response:
        document = studio.sharing.document(request)
        return Response(mp4(document["lines"]), headers=attached(request, "mp4"), media_type="video/mp4")

    @routes.post("/samples/import", status_code=201)
    async def take(request: Request) -> dict[str, str]:
        content = await request.body()
        if not content:
            raise DataError("There is nothing in the file.")
        return {"request": await run_sync(studio.sharing.take, content)}  # a long one takes a while

    return routes


def attached(request: str, suffix: str) -> dict[str, str]:
    """The header that has a browser keep an answer as a file. `request` is an id that was found."""
    return {"content-disposition": f'attachment; filename="{request}.{suffix}"'}
