"""GET /api/events: one stream for everything that moves (server-sent events).

    /api/events?topics=jobs,job:train-0001,log:train-0001,sample:serve-0003_k3j9x2&after=CURSOR

A message is `id: CURSOR` and `data: {"topic": ..., ...}`. The cursor names the place in every topic, so a
browser that reconnects with Last-Event-ID, or a page that comes back with `after`, misses nothing and sees
nothing twice.

The tabs of a browser share a stream: a name may end in its reader's mark, `jobs@2`, and its messages are then
events of that name (`event: 2`), with a place of their own in the cursor.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from backend.api.job_feed import JobFeed
from backend.api.run_index import RunIndexes
from backend.api.shared_looks import SharedLooks, next_moment
from backend.api.topics import LOOK_SECONDS, TOPICS, Sources, Topic
from backend.studio import Studio
from jobs.protocol.errors import ResourceError, SpecError, StudioError

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
TROUBLE_SECONDS = 5.0
RETRY_MILLISECONDS = 2000
MOST_TOPICS = 256  # of all tabs of a browser; stream_hub.js keeps to it
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


def router(studio: Studio) -> APIRouter:
    """Routes under /api."""
    routes = APIRouter()
    sources = Sources(studio, JobFeed(studio), RunIndexes(), SharedLooks(LOOK_SECONDS))

    @routes.get("/events")
    async def events(request: Request, topics: str, after: str = "") -> StreamingResponse:
        cursor = request.headers.get("last-event-id") or after
        names = [name for name in dict.fromkeys(topics.split(",")) if name]
        if not 1 <= len(names) <= MOST_TOPICS:
            raise SpecError(f"topics: name 1 to {MOST_TOPICS}, separated by commas.")
        closing: asyncio.Event = request.app.state.closing
        body = stream(sources, names, cursor, closing)
        return StreamingResponse(body, media_type="text/event-stream", headers=HEADERS)

    return routes


async def stream(
    sources: Sources, names: list[str], cursor: str, closing: asyncio.Event
) -> AsyncIterator[str]:
    """Messages until the client leaves or the server closes."""
    yield f"retry: {RETRY_MILLISECONDS}\n\n"
    known = dict(parse_qsl(cursor))
    topics: list[Topic] = []
    for name in names:
        try:
            topics.append(make_topic(sources, name, known.get(name)))
        except StudioError as error:
            plain, _, reader = name.partition("@")
            yield message({}, error_text(plain, str(error)), reader if reader.isdecimal() else "")
    due = {topic.place: 0.0 for topic in topics}
    spoken = time.monotonic()
    while not closing.is_set():
        now = time.monotonic()
        for topic in topics:
            if due[topic.place] > now:
                continue
            async for text in look(topic):
                yield message({t.place: t.cursor for t in topics}, text, topic.reader)
                spoken = time.monotonic()
            pause = TROUBLE_SECONDS if topic.trouble else topic.pause
            due[topic.place] = next_moment(time.monotonic(), pause)
        topics = [topic for topic in topics if not topic.finished or topic.cursor]
        if time.monotonic() - spoken > HEARTBEAT_SECONDS:
            yield ": still here\n\n"
            spoken = time.monotonic()
        waits = [due[topic.place] for topic in topics if not topic.finished]
        await asyncio.sleep(max(0.0, min(waits, default=now + 0.5) - time.monotonic()))


def make_topic(sources: Sources, name: str, after: str | None) -> Topic:
    """The topic of a name such as `job:train-0001@2`. Raises: StudioError."""
    plain, marked, reader = name.partition("@")
    kind, _, about = plain.partition(":")
    if kind not in TOPICS or bool(about) == (kind == "jobs") or (marked and not reader.isdecimal()):
        raise SpecError(f"There is no topic {name!r}; topics are jobs, job:ID, log:ID and sample:REQUEST.")
    topic = TOPICS[kind](sources, plain, about, after)
    topic.reader = reader
    return topic


async def look(topic: Topic) -> AsyncIterator[str]:
    """What a topic has to say. One topic's trouble is told and ends that topic only."""
    if topic.finished:
        return
    try:
        async for text in topic.look():
            yield text
        topic.trouble = ""
    except ResourceError as error:  # such as a full disk: told once, and tried again
        if topic.trouble != str(error):
            topic.trouble = str(error)
            yield error_text(topic.name, topic.trouble)
    except StudioError as error:
        topic.finished = True
        yield error_text(topic.name, str(error))
    except Exception:  # the edge of the stream: the other topics go on
        log.exception("the topic %s failed", topic.name)
        topic.finished = True
        yield error_text(topic.name, "An error in the server; its log says more.")


def message(cursors: dict[str, str], data: str, reader: str = "") -> str:
    """One server-sent event. JSON holds no bare newline, so the data is one line."""
    cursor = urlencode({name: place for name, place in cursors.items() if place})
    event = f"event: {reader}\n" if reader else ""
    return f"id: {cursor}\n{event}data: {data}\n\n"


def error_text(name: str, sentence: str) -> str:
    return json.dumps({"topic": name, "error": sentence}, ensure_ascii=False)
