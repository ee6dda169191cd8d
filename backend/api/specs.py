"""/api/specs: what a spec may hold, whether one is right, and the command it comes to."""

from typing import Any

import yaml
from fastapi import APIRouter
from pydantic import BaseModel

from backend.api.errors import NotFound
from backend.services.training import Preview
from backend.studio import Studio
from jobs.specs.job import KINDS


class Candidate(BaseModel):
    """A spec to look at: as an object or as YAML text."""

    spec: dict[str, Any] | None = None
    yaml: str | None = None


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter(prefix="/specs")

    @routes.get("/{kind}")
    def schema(kind: str) -> dict:
        if kind not in KINDS:
            raise NotFound(f"There is no job kind {kind!r}; kinds: {', '.join(KINDS)}.")
        return KINDS[kind].model_json_schema()

    @routes.post("/check")
    def check(candidate: Candidate) -> Preview:
        """Never an error for a wrong spec: `problem` says what is wrong."""
        data: Any = candidate.spec
        if candidate.yaml is not None:
            try:
                data = yaml.safe_load(candidate.yaml)
            except yaml.YAMLError as error:
                return Preview(yaml=candidate.yaml, problem=f"not valid YAML: {error}")
        if not isinstance(data, dict):
            return Preview(problem="a spec is a mapping of keys to values.")
        return studio.training.preview(data)

    return routes
