"""Jobs for all open streams: asked of the database once, however many pages look."""

import asyncio
import time
from hashlib import blake2s

from anyio.to_thread import run_sync

from backend.store.watch import ChangeCounter
from backend.studio import Studio

CHECK_SECONDS = 0.4  # at most so often is the database asked whether it changed
REFRESH_SECONDS = 5.0  # what changes by the clock alone, such as a lease that ran out, shows after this
LISTED = 200  # that wait, and so many of the newest; what runs is always listed


class JobFeed:
    """The list of jobs as JSON by id, newest first, with a digest that names the state of the whole list."""

    def __init__(self, studio: Studio):
        self.views: dict[str, str] = {}
        self.digest = ""
        self.total = 0  # jobs, listed or not
        self.changes = 0  # moves whenever any row may have changed
        self._jobs = studio.jobs
        self._counter = ChangeCounter(studio.store.path)
        self._stamp = 0
        self._checked = self._refreshed = self._listed = float("-inf")
        self._lock = asyncio.Lock()
        self._whole: dict[str, str] = {}  # views of single jobs
        self._whole_of = 0  # `changes` when they were read

    async def check(self) -> int:
        """`changes` as of now."""
        async with self._lock:
            now = time.monotonic()
            if now - self._checked < CHECK_SECONDS:
                return self.changes
            self._checked = now
            stamp = self._counter.read()
            if stamp != self._stamp or stamp < 0 or now - self._refreshed > REFRESH_SECONDS:
                self._stamp, self._refreshed = stamp, now
                self.changes += 1
            return self.changes

    async def refresh(self) -> None:
        """Bring `views` and `digest` up to date."""
        changes = await self.check()
        async with self._lock:
            if self._listed == changes:
                return
            listed = await run_sync(self._jobs.shown, LISTED)
            self.views = {view.id: view.model_dump_json() for view in listed}
            self.total = await run_sync(self._jobs.count)
            told = f"{self.total}{''.join(self.views.values())}"
            self.digest = blake2s(told.encode(), digest_size=6).hexdigest()
            self._listed = changes

    async def job(self, job_id: str) -> str:
        """One job with all that is known of it, as JSON. Raises: JobError if there is none."""
        changes = await self.check()
        async with self._lock:
            if self._whole_of != changes:
                self._whole_of, self._whole = changes, {}
            if job_id not in self._whole:
                view = await run_sync(self._jobs.get, job_id)
                self._whole[job_id] = view.model_dump_json()
            return self._whole[job_id]
