"""/api/cleanup: what old runs take, and their deletion."""

from fastapi import APIRouter

from backend.services.cleanup import Plan, Wish
from backend.studio import Studio


class Cleanup(Wish):
    """What to delete, and of it what was agreed to."""

    names: list[str]
    """Names out of a plan; nothing else is deleted."""


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter(prefix="/cleanup")

    @routes.post("/plan")
    def plan(wish: Wish) -> Plan:
        """What would go and what stays for a reason; deletes nothing."""
        return studio.cleanup.plan(wish)

    @routes.post("")
    def carry_out(cleanup: Cleanup) -> Plan:
        """What went."""
        wish = Wish(**cleanup.model_dump(exclude={"names"}))
        return studio.cleanup.carry_out(wish, only=cleanup.names)

    return routes
