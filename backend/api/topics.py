"""What a stream can be about. A topic is polled; what is new goes out, and its cursor says how far we are.

A cursor that comes back (Last-Event-ID) goes on exactly there.
"""

import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from anyio.to_thread import run_sync

from backend.api.job_feed import JobFeed
from backend.api.run_index import LISTS, News, RunIndexes, news, with_newest
from backend.api.shared_looks import SharedLooks
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
    looks: SharedLooks

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
        known, views, digest = self._known, feed.views, feed.digest
        self._known = views
        if self.cursor == digest:
            return
        asked = (self.name, known is not None and self.cursor, digest)
        self.cursor = digest
        yield await self.sources.looks.find(asked, partial(self._list, known, views, feed.total))

    def _list(self, known: dict[str, str] | None, views: dict[str, str], total: int) -> str:
        reset, known = known is None, known or {}
        changed = [text for job_id, text in views.items() if known.get(job_id) != text]
        removed = [job_id for job_id in known if job_id not in views]
        head = self.message(reset=reset, removed=removed, total=total)
        return f'{head[:-1]},"jobs":[{",".join(changed)}]}}'


class JobTopic(Topic):
    """`job:ID`: one job with its curves, then what is new of either."""

    def __init__(self, sources: Sources, name: str, about: str, after: str | None):
        super().__init__(sources, name, about, after)
        self._offset = int(self.cursor) if self.cursor.isdecimal() else None
        self._view = ""

    async def look(self) -> AsyncIterator[str]:
        if not self._view:
            self.sources.run(self.about)
        try:
            view = await self.sources.feed.job(self.about)
        except JobError:
            if not self._view:
                raise
            self.finished = True
            yield self.message(gone=True)
            return
        asked = self._offset, "" if view == self._view else view
        text, self._offset = await self.sources.looks.find((self.name, *asked), partial(self._news, *asked))
        self._view = view
        self.cursor = str(self._offset)
        if text:
            yield text

    def _news(self, offset: int | None, view: str) -> tuple[str, int]:
        """The message, empty without news, and the offset behind it. `view`: the job, if it has changed."""
        fields, following = self._everything() if offset is None else self._appended(offset)
        if not fields and not view:
            return "", following
        head = self.message(reset=offset is None, **fields)
        return (f'{head[:-1]},"job":{view}}}' if view else head), following

    def _everything(self) -> tuple[News, int]:
        jobs = self.sources.studio.jobs
        index = self.sources.indexes.of(self.sources.run(self.about).events)
        offset, points, listed = index.offset, list(index.points), list(index.events)
        found = with_newest(jobs.metrics(self.about), jobs.levels(self.about), points)
        empty = {key: [] for key in LISTS.values()}
        return {**empty, **found, **news(listed), "tries": dict(index.tries)}, offset

    def _appended(self, offset: int) -> tuple[News, int]:
        path = RunFolder(self.sources.studio.runs / self.about).events
        if not path.exists() or path.stat().st_size <= offset:
            return {}, offset
        found = list(read_events(path, offset))
        return news([event for _, event in found]), found[-1][0] if found else offset


class LogTopic(Topic):
    """`log:ID`: the end of the latest attempt's log, then what is appended."""

    async def look(self) -> AsyncIterator[str]:
        while True:
            look = partial(self._next, self.cursor)
            text, self.cursor = await self.sources.looks.find((self.name, self.cursor), look)
            if not text:
                return
            yield text

    def _next(self, cursor: str) -> tuple[str, str]:
        """The message behind a place in the log, empty without news, and the place behind it."""
        latest = self.sources.run(self.about).latest_attempt()
        if latest is None or not latest.log.exists():
            return "", cursor
        match = re.match(r"^(\d+)\.(\d+)$", cursor)
        attempt, offset = (int(match[1]), int(match[2])) if match else (0, 0)
        reset, size = attempt != latest.number, latest.log.stat().st_size
        if reset:
            offset = max(0, size - LOG_TAIL_BYTES)
        elif size <= offset:
            return "", cursor
        text, following = self.sources.studio.jobs.log(self.about, latest.number, offset, LOG_CHUNK_BYTES)
        if reset and offset > 0:  # begin with a whole line
            cut = text.find("\n") + 1
            offset += len(text[:cut].encode())
            text = text[cut:]
        if following <= offset and not reset:
            return "", cursor
        message = self.message(reset=reset, attempt=latest.number, offset=offset, text=text)
        return message, f"{latest.number}.{following}"


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
