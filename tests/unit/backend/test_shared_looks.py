"""Streams at the same place of a topic share what one of them finds."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from backend.api.events import stream
from backend.api.job_feed import JobFeed
from backend.api.run_index import RunIndexes
from backend.api.shared_looks import SharedLooks, next_moment
from backend.api.topics import Sources
from backend.studio import Studio
from jobs.protocol.events import EventWriter
from tests.fakes.studio import make_studio
from tests.unit.backend.test_api_events import run_of, write_metrics

ALWAYS = 1e9  # seconds: all that a test does happens at one moment


@pytest.fixture
def studio(studio_home: Path) -> Iterator[Studio]:
    with make_studio(studio_home) as studio:
        yield studio


def test_twenty_viewers_of_a_run_cost_one_look(studio: Studio, monkeypatch: pytest.MonkeyPatch):
    run = run_of(studio)
    write_metrics(EventWriter(run.events, 1), range(3))
    run.new_attempt().log.write_text("hello\n")
    asked = []
    for name in ("get", "metrics", "log", "shown"):
        real = getattr(studio.jobs, name)
        monkeypatch.setattr(
            studio.jobs, name, lambda *a, name=name, real=real: asked.append(name) or real(*a)
        )
    sources = Sources(studio, JobFeed(studio), RunIndexes(), SharedLooks(ALWAYS))
    topics = ["jobs", "job:train-0001", "log:train-0001"]

    async def first_messages() -> list[str]:
        found = []
        async for text in stream(sources, topics, "", asyncio.Event()):
            found.append(text)
            if len(found) == 1 + len(topics):
                break
        return found

    async def all_of_them() -> list[list[str]]:
        return await asyncio.gather(*(first_messages() for _ in range(20)))

    told = asyncio.run(asyncio.wait_for(all_of_them(), timeout=10))
    assert '"loss"' in told[0][2] and "hello" in told[0][3]
    assert told == [told[0]] * 20
    assert sorted(asked) == ["get", "log", "metrics", "shown"]


def test_a_viewer_who_leaves_takes_nothing_from_the_others():
    looks, hurry = SharedLooks(ALWAYS), threading.Event()

    async def leave_and_stay() -> str:
        first = asyncio.create_task(looks.find("same", lambda: hurry.wait(10) and "found"))
        second = asyncio.create_task(looks.find("same", lambda: "looked twice"))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        hurry.set()
        return await second

    assert asyncio.run(asyncio.wait_for(leave_and_stay(), timeout=10)) == "found"


def test_an_error_reaches_all_who_stay_and_is_no_noise_where_none_does():
    hurry, noise = threading.Event(), []

    def fails() -> None:
        hurry.wait(10)
        raise OSError("no disk")

    async def ask(readers: int, leave: bool) -> list[object]:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: noise.append(told))
        looks = SharedLooks(ALWAYS)
        asked = [asyncio.create_task(looks.find("same", fails)) for _ in range(readers)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for task in asked if leave else ():
            task.cancel()
        if leave:
            await asyncio.wait(asked)
        hurry.set()
        await asyncio.wait(looks._looks.values())
        return await asyncio.gather(*asked, return_exceptions=True)

    assert [type(found) for found in asyncio.run(ask(1, leave=True))] == [asyncio.CancelledError]
    gc.collect()
    assert [str(found) for found in asyncio.run(ask(3, leave=False))] == ["no disk"] * 3
    gc.collect()
    assert noise == []


def test_at_the_next_moment_is_looked_again(monkeypatch: pytest.MonkeyPatch):
    clock = SimpleNamespace(monotonic=iter([0.1, 0.4, 0.6]).__next__)
    monkeypatch.setattr("backend.api.shared_looks.time", clock)
    looks, answers = SharedLooks(0.5), iter("ab")

    async def thrice() -> list[str]:
        return [await looks.find("same", lambda: next(answers)) for _ in range(3)]

    assert asyncio.run(thrice()) == ["a", "a", "b"]


@pytest.mark.parametrize(("now", "then"), [(3.0, 3.5), (3.1, 3.5), (3.5, 4.0)])
def test_streams_look_at_the_same_moments(now: float, then: float):
    assert next_moment(now, 0.5) == then
