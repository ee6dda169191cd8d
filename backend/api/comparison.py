"""GET /api/compare: runs side by side, those named or those of a pipeline or sweep."""

from typing import Annotated

from fastapi import APIRouter, Query

from backend.api.errors import NotFound
from backend.services.comparison import Comparison, compare, members
from backend.studio import Studio
from jobs.protocol.errors import SpecError

MOST_RUNS = 400


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter(prefix="/compare")

    @routes.get("")
    def comparison(
        runs: Annotated[str, Query(description="ids with commas between them")] = "",
        group: Annotated[str, Query(description="instead of `runs`")] = "",
    ) -> Comparison:
        ids = [name for name in runs.split(",") if name] or members(studio.store, group)
        if not ids and group:
            raise NotFound(f"There is no pipeline or sweep {group!r}.")
        if not 1 <= len(ids) <= MOST_RUNS:
            raise SpecError(
                f"{len(ids)} runs: name 1 to {MOST_RUNS} in `runs`, or a pipeline or sweep in `group`."
            )
        return compare(studio.store, ids)

    return routes
