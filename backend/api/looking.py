"""/api/data: what is in data sets: checks, statistics, previews, rows, versions."""

from typing import Any

from fastapi import APIRouter

from backend.studio import Studio


def router(studio: Studio) -> APIRouter:
    """Routes under /api. Each question is a POST: its answer may start a process."""
    routes = APIRouter(prefix="/data")

    def look(op: str, body: dict[str, Any]) -> dict[str, Any]:
        return studio.looking.look({**body, "op": op})

    @routes.post("/check")
    def check(body: dict[str, Any]) -> dict[str, Any]:
        return look("check", body)

    @routes.post("/statistics")
    def statistics(body: dict[str, Any]) -> dict[str, Any]:
        return look("statistics", body)

    @routes.post("/preview")
    def preview(body: dict[str, Any]) -> dict[str, Any]:
        return look("preview", body)

    @routes.post("/rows")
    def rows(body: dict[str, Any]) -> dict[str, Any]:
        return look("rows", body)

    @routes.post("/versions")
    def version(body: dict[str, Any]) -> dict[str, Any]:
        return look("version", body)

    @routes.get("/versions")
    def versions(path: str = "") -> dict[str, Any]:
        return {"versions": studio.looking.lineage(path) if path else studio.looking.versions()}

    return routes
