"""/api/recipes: specs to start from."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from backend.api.errors import NotFound
from backend.services.training import Recipe
from backend.studio import Studio
from jobs.protocol.errors import SpecError


class NewRecipe(BaseModel):
    """A recipe to keep in the home folder."""

    name: str
    spec: dict[str, Any]
    title: str = ""
    note: str = ""
    overwrite: bool = False


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter(prefix="/recipes")

    @routes.get("")
    def recipes() -> dict[str, list[Recipe]]:
        return {"recipes": studio.training.recipes()}

    @routes.get("/{name:path}")
    def recipe(name: str) -> Recipe:
        try:
            return studio.training.recipe(name)
        except SpecError as error:
            raise NotFound(str(error)) from None

    @routes.post("", status_code=201)
    def save(new: NewRecipe) -> Recipe:
        return studio.training.save_recipe(new.name, new.spec, new.title, new.note, new.overwrite)

    return routes
