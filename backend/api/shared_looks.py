"""Streams look at the same moments, and what one finds at a place is the find of all that are there."""

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from anyio.to_thread import run_sync

Found = TypeVar("Found")


class SharedLooks:
    """Looks by what was asked, kept for one moment."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._moment = -1.0
        self._looks: dict[Hashable, asyncio.Future[Any]] = {}

    async def find(self, asked: Hashable, look: Callable[[], Found]) -> Found:
        """What `look` gives, in a thread unless somebody asks the same at this moment. Raises: its errors."""
        moment = time.monotonic() // self._seconds
        if moment != self._moment:
            self._moment, self._looks = moment, {}
        found = self._looks.get(asked)
        if found is None:
            found = self._looks[asked] = asyncio.ensure_future(run_sync(look))
            found.add_done_callback(_seen)
        return await asyncio.shield(found)  # one who leaves takes it from nobody


def _seen(found: asyncio.Future[Any]) -> None:
    """An error is nobody's once all who asked have left; asyncio would log that it was never read."""
    if not found.cancelled():
        found.exception()


def next_moment(now: float, seconds: float) -> float:
    """When the streams look again that do so every so many seconds."""
    return (now // seconds + 1) * seconds
