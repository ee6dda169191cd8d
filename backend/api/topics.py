"""What a stream can be about. A topic is polled; what is new goes out, and its cursor says how far we are.

A cursor that comes back (Last-Event-ID) goes on exactly there.
"""

import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from anyio.to_thread import run_sync

from backend.api.job_feed import JobFeed
from backend.api.run_index import LISTS, RunIndexes, news, with_newest
from backend.services.samples import ends
from backend.studio import Studio
from jobs.protocol.errors import JobError
from jobs.protocol.events import read_events
from jobs.protocol.folder import RUN_ID, RunFolder

LOOK_SECONDS = 0.5
FRAME_SECONDS = 1 / 30
PATIENCE_SECONDS = 3.0  # a sample that stands still so long may have lost its server
PHASE_SECONDS = 0.3
LOG_TAIL_BYTES = 65_536
LOG_CHUNK_BYTES = 131_072
SAMPLE_CHUNK_BYTES = 262_144


@dataclass
class Sources:
    """What all streams share."""

    studio: Studio
    feed: JobFeed
    indexes: RunIndexes

    def run(self, run_id: str) -> RunFolder:
        """A run folder. Raises: JobError where there is none."""
        folder = self.studio.runs / run_id
        if not RUN_ID.match(run_id) or not folder.is_dir():
            raise JobError(f"There is no job {run_id!r}.")
        return RunFolder(folder)


class Topic:
    """One topic of one stream."""

    def __init__(self, sources: Sources, name: str, about: str, after: str | None):
        self.sources, self.name, self.about = sources, name, about
        self.cursor = after or ""
        self.reader = ""  # the mark of a tab that shares the stream
        self.finished = False
        self.trouble = ""  # what keeps it from looking just now
        self.pause = LOOK_SECONDS  # until the next look

    @property
    def place(self) -> str:
        """Its name in the stream's cursor."""
        return f"{self.name}@{self.reader}" if self.reader else self.name

    def look(self) -> AsyncIterator[str]:
        """Yield JSON messages; `cursor` holds when a message is yielded. Raises: StudioError."""
        raise NotImplementedError

    def message(self, **fields: Any) -> str:
        return json.dumps({"topic": self.name, **fields}, ensure_ascii=False, separators=(",", ":"))


class JobsTopic(Topic):
    """`jobs`: the list, then whatever changes in it."""

    def __init__(self, sources: Sources, name: str, about: str, after: str | None):
        super().__init__(sources, name, about, after)
        self._known: dict[str, str] | None = None

    async def look(self) -> AsyncIterator[str]:
        feed = self.sources.feed
        await feed.refresh()
        known, views = self._known, feed.views
        self._known = views
        if self.cursor == feed.digest:
            return
        self.cursor = feed.digest
        if known is None:
            yield self._list(True, list(views.values()))
            return
        changed = [text for job_id, text in views.items() if known.get(job_id) != text]
        yield self._list(False, changed, [job_id for job_id in known if job_id not in views])

    def _list(self, reset: bool, views: list[str], removed: list[str] | None = None) -> str:
        head = self.message(reset=reset, removed=removed or [], total=self.sources.feed.total)
        return f'{head[:-1]},"jobs":[{",".join(views)}]}}'


class JobTopic(Topic):
    """`job:ID`: one job with its curves, then what is new of either."""

    def __init__(self, sources: Sources, name: str, about: str, after: str | None):
        super().__init__(sources, name, about, after)
        self._offset = int(self.cursor) if self.cursor.isdecimal() else None
        self._view: str | None = None
        self._changes = -1

    async def look(self) -> AsyncIterator[str]:
        folder = self.sources.run(self.about) if self._view is None else None
        changes = await self.sources.feed.check()
        fields: dict[str, Any] = {}
        if changes != self._changes:
            self._changes = changes
            try:
                view = await run_sync(self.sources.studio.jobs.get, self.about)
            except JobError:
                if folder is not None:
                    raise
                self.finished = True
                yield self.message(gone=True)
                return
            if (text := view.model_dump_json()) != self._view:
                self._view = text
                fields["job"] = view.model_dump(mode="json")
        if self._offset is None:
            fields |= await run_sync(self._everything)
            reset = True
        else:
            fields |= await run_sync(self._appended, self._offset)
            reset = False
        self.cursor = str(self._offset)
        if fields:
            yield self.message(reset=reset, **fields)

    def _everything(self) -> dict[str, Any]:
        jobs = self.sources.studio.jobs
        index = self.sources.indexes.of(self.sources.run(self.about).events)
        self._offset, points, listed = index.offset, list(index.points), list(index.events)
        found = with_newest(jobs.metrics(self.about), jobs.levels(self.about), points)
        return {**{key: [] for key in LISTS.values()}, **found, **news(listed), "tries": dict(index.tries)}

    def _appended(self, offset: int) -> dict[str, Any]:
        path = RunFolder(self.sources.studio.runs / self.about).events
        if not path.exists() or path.stat().st_size <= offset:
            return {}
        found = list(read_events(path, offset))
        if found:
            self._offset = found[-1][0]
        return news([event for _, event in found])


class LogTopic(Topic):
    """`log:ID`: the end of the latest attempt's log, then what is appended."""

    async def look(self) -> AsyncIterator[str]:
        latest = self.sources.run(self.about).latest_attempt()
        if latest is None or not latest.log.exists():
            return
        match = re.match(r"^(\d+)\.(\d+)$", self.cursor)
        attempt, offset = (int(match[1]), int(match[2])) if match else (0, 0)
        reset = attempt != latest.number
        while True:
            size = latest.log.stat().st_size
            if reset:
                offset = max(0, size - LOG_TAIL_BYTES)
            elif size <= offset:
                return
            read = self.sources.studio.jobs.log
            text, following = await run_sync(read, self.about, latest.number, offset, LOG_CHUNK_BYTES)
            if reset and offset > 0:  # begin with a whole line
                cut = text.find("\n") + 1
                offset += len(text[:cut].encode())
                text = text[cut:]
            if following <= offset and not reset:
                return
            self.cursor = f"{latest.number}.{following}"
            yield self.message(reset=reset, attempt=latest.number, offset=offset, text=text)
            reset, offset = False, following


class SampleTopic(Topic):
    """`sample:REQUEST`: the trajectory, line by line, as the model server writes it."""

    def __init__(self, sources: Sources, name: str, about: str, after: str | None):
        super().__init__(sources, name, about, after)
        self._sampling = sources.studio.sampling
        self._offset = int(self.cursor) if self.cursor.isdecimal() else 0
        self._reset = self._offset == 0
        self._path = self._sampling.find(about)
        self._phase, self._phase_due = "", 0.0
        self._moved = time.monotonic()
        self.pause = FRAME_SECONDS

    async def look(self) -> AsyncIterator[str]:
        any_news = False
        while lines := self._read():
            any_news = True
            self.finished = _is_end(lines[-1])
            self.cursor = str(self._offset)
            head = self.message(reset=self._reset, done=self.finished)
            yield f'{head[:-1]},"lines":[{",".join(lines)}]}}'
            self._reset = False
            if self.finished:
                return
        if any_news:
            self._moved = time.monotonic()
            self.pause = FRAME_SECONDS
        elif self._offset == 0 and time.monotonic() > self._phase_due:
            self._phase_due = time.monotonic() + PHASE_SECONDS
            phase = await run_sync(self._sampling.phase, self.about)
            if phase and phase != self._phase:
                self._phase = phase
                yield self.message(waiting=phase)
        if time.monotonic() - self._moved > PATIENCE_SECONDS:
            self._moved = time.monotonic()
            self.pause = 0.2
            if await run_sync(self._sampling.is_lost, self.about):
                self.finished = True
                yield self.message(error="This sample was lost when the server was restarted; ask again.")
                return
            await run_sync(self._sampling.settle, self.about)
            self._path = await run_sync(self._sampling.find, self.about)
            self.finished = self._at_end()

    def _at_end(self) -> bool:
        """A page that comes back to a finished sample, with all of it read."""
        return self._path.is_file() and self._path.stat().st_size == self._offset and ends(self._path)

    def _read(self) -> list[str]:
        """Whole new lines, at most about SAMPLE_CHUNK_BYTES of them."""
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                data = file.read(SAMPLE_CHUNK_BYTES)
                while data and b"\n" not in data and (more := file.read(SAMPLE_CHUNK_BYTES)):
                    data += more
        except FileNotFoundError:
            return []
        data = data[: data.rfind(b"\n") + 1]
        self._offset += len(data)
        lines = data.decode("utf-8", "replace").split("\n")
        return [line for line in lines if line.startswith("{") and line.endswith("}")]


def _is_end(line: str) -> bool:
    if line.startswith('{"type":"step"'):
        return False
    try:
        return json.loads(line).get("type") == "end"
    except ValueError:
        return False


TOPICS: dict[str, type[Topic]] = {"jobs": JobsTopic, "job": JobTopic, "log": LogTopic, "sample": SampleTopic}
