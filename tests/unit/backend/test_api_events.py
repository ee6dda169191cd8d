"""The event stream: what it says first, what it says after, and that a cursor misses and repeats nothing."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.api import events
from backend.api.events import stream
from backend.api.job_feed import JobFeed
from backend.api.run_index import RunIndex, RunIndexes, news, thinned, with_newest
from backend.api.shared_looks import SharedLooks
from backend.api.topics import Sources
from backend.studio import Studio
from jobs.protocol import trajectory
from jobs.protocol.errors import ResourceError
from jobs.protocol.events import EventWriter, read_events
from jobs.protocol.folder import RunFolder
from tests.fakes.studio import make_studio, train_spec

START = {"type": "start", "prompt": "Once"}
END = {"type": "end", "reason": "finished"}


@pytest.fixture
def studio(studio_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    monkeypatch.setattr("backend.api.job_feed.CHECK_SECONDS", 0.0)
    monkeypatch.setattr("backend.api.topics.PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr("backend.api.topics.LOOK_SECONDS", 0.03)
    with make_studio(studio_home) as studio:
        yield studio


@pytest.fixture
def sources(studio: Studio) -> Sources:
    return Sources(studio, JobFeed(studio), RunIndexes(), SharedLooks(0.03))


class Page:
    """Reads a stream as a browser does."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.readers: list[str] = []  # of each message, the mark of the tab that it is for
        self.cursor = ""
        self.comments = 0

    def take(self, text: str) -> None:
        fields = dict(line.split(": ", 1) for line in text.strip().split("\n"))
        if "data" in fields:
            assert text.count("\n") == len(fields) + 1 and text.endswith("\n\n")
            self.cursor = fields["id"]
            self.messages.append(json.loads(fields["data"]))
            self.readers.append(fields.get("event", ""))
        elif text.startswith(":"):
            self.comments += 1

    @property
    def last(self) -> dict[str, Any]:
        return self.messages[-1] if self.messages else {}

    def about(self, topic: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["topic"] == topic]


def listen(
    sources: Sources,
    topics: str,
    until: Callable[[Page], Any],
    cursor: str = "",
    script: list[Callable[[], Any]] | None = None,
) -> Page:
    """Read until `until`; after each message the next step of `script` happens."""
    page, steps = Page(), iter(script or [])

    async def read() -> None:
        closing = asyncio.Event()
        async for text in stream(sources, topics.split(","), cursor, closing):
            before = len(page.messages)
            page.take(text)
            if until(page):
                closing.set()
            elif len(page.messages) > before and (step := next(steps, None)):
                step()

    asyncio.run(asyncio.wait_for(read(), timeout=10))
    return page


def count(topic: str, number: int) -> Callable[[Page], bool]:
    return lambda page: len(page.about(topic)) >= number


def run_of(studio: Studio, **options: Any) -> RunFolder:
    return RunFolder(studio.runs / studio.jobs.submit(train_spec(**options)).id)


def test_jobs_first_all_then_what_changed(sources: Sources, studio: Studio):
    run_of(studio)
    steps = [
        lambda: run_of(studio, name="second"),
        lambda: studio.jobs.stop("train-0001"),
        lambda: studio.jobs.delete("train-0001"),
    ]
    page = listen(sources, "jobs", count("jobs", 4), script=steps)
    first, added, stopped, removed = page.about("jobs")
    assert first["reset"] and [job["id"] for job in first["jobs"]] == ["train-0001"]
    assert "spec" not in first["jobs"][0]
    assert not added["reset"] and {job["id"] for job in added["jobs"]} >= {"train-0002"}
    assert ("train-0001", "stopped") in [(job["id"], job["state"]) for job in stopped["jobs"]]
    assert removed["removed"] == ["train-0001"]


def test_a_page_that_comes_back_hears_only_news(sources: Sources, studio: Studio):
    run_of(studio)
    page = listen(sources, "jobs", count("jobs", 1))
    fresh = Sources(
        studio, JobFeed(studio), RunIndexes(), SharedLooks(0.03)
    )  # the server was started anew in between
    again = listen(fresh, "jobs,nonsense", count("nonsense", 1), page.cursor)
    assert not again.about("jobs")
    studio.jobs.stop("train-0001")
    changed = listen(fresh, "jobs", count("jobs", 1), page.cursor)
    assert changed.about("jobs")[0]["reset"]


def test_tabs_that_share_a_stream_have_a_place_each(sources: Sources, studio: Studio):
    run_of(studio)
    page = listen(sources, "jobs@1,nonsense@1,jobs@x", lambda page: len(page.messages) == 3)
    assert page.readers == ["1", "", "1"]
    assert [m["topic"] for m in page.messages] == ["nonsense", "jobs", "jobs"]
    assert "error" in page.messages[0] and "error" in page.messages[1]
    later = listen(sources, "jobs@1,jobs@2", count("jobs", 1), page.cursor)  # another tab has come
    assert later.readers == ["2"] and later.last["reset"]


def write_metrics(writer: EventWriter, steps: range) -> None:
    for step in steps:
        writer.write("metrics", step=step, values={"loss": 1.0 / (step + 1)})


def test_a_job_with_its_curves(sources: Sources, studio: Studio):
    run = run_of(studio)
    writer = EventWriter(run.events, 1)
    write_metrics(writer, range(3))
    writer.write("sample", step=2, prompt="p", request="step-2")
    writer.write("levels", step=2, loss=[None] * 8, count=[0] * 8)
    writer.write("validation_levels", step=1, loss=[2.0] * 8, count=[3] * 8)
    writer.write("note", text="Careful.", level="warning")
    topic = "job:train-0001"
    steps = [lambda: write_metrics(writer, range(3, 5)), lambda: studio.jobs.stop("train-0001")]
    page = listen(sources, topic, count(topic, 3), script=steps)
    first, more, stopped = page.about(topic)
    assert first["reset"] and first["job"]["id"] == "train-0001" and first["job"]["spec"]["kind"] == "train"
    assert [step for step, _ in first["metrics"]["loss"]] == [0, 1, 2]
    assert first["samples"][0]["request"] == "step-2" and first["samples"][0]["attempt"] == 1
    assert first["levels"][0]["step"] == 2 and first["notes"][0]["text"] == "Careful."
    assert first["validation_levels"] == [{"step": 1, "loss": [2.0] * 8, "count": [3] * 8}]
    assert first["checkpoints"] == []
    assert not more["reset"] and [step for step, _ in more["metrics"]["loss"]] == [3, 4] and "job" not in more
    assert stopped["job"]["state"] == "stopped" and "metrics" not in stopped

    write_metrics(writer, range(5, 7))
    again = listen(sources, topic, count(topic, 1), page.cursor).about(topic)[0]
    assert not again["reset"] and [step for step, _ in again["metrics"]["loss"]] == [5, 6]
    writer.close()


def test_a_deleted_job_is_gone(sources: Sources, studio: Studio):
    run_of(studio)
    studio.jobs.stop("train-0001")
    topic = "job:train-0001"
    page = listen(sources, topic, count(topic, 2), script=[lambda: studio.jobs.delete("train-0001")])
    assert page.about(topic)[1] == {"topic": topic, "gone": True}


def append(path: Path, text: str | bytes) -> None:
    with open(path, "ab") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def test_a_log_is_followed_to_the_next_attempt(sources: Sources, studio: Studio):
    run = run_of(studio)
    log = run.new_attempt().log
    log.write_text("hello\n")
    topic = "log:train-0001"

    def second_attempt() -> None:
        append(run.new_attempt().log, "again\n")

    steps = [lambda: append(log, "wörld\n".encode()[:2]), lambda: append(log, "wörld\n".encode()[2:])]
    page = listen(sources, topic, count(topic, 4), script=[*steps, second_attempt])
    first, half, rest, second = page.about(topic)
    assert (first["reset"], first["attempt"], first["offset"], first["text"]) == (True, 1, 0, "hello\n")
    assert half["text"] + rest["text"] == "wörld\n" and not half["reset"]
    assert (second["reset"], second["attempt"], second["text"]) == (True, 2, "again\n")


def test_a_long_log_begins_near_its_end_and_goes_on_where_it_was(sources: Sources, studio: Studio):
    run = run_of(studio)
    log = run.new_attempt().log
    lines = "".join(f"line {n:05}\n" for n in range(20_000))
    log.write_text(lines)
    topic = "log:train-0001"
    page = listen(sources, topic, count(topic, 1))
    first = page.about(topic)[0]
    assert first["offset"] > 0 and first["text"].startswith("line ") and lines.endswith(first["text"])
    assert lines[first["offset"] :] == first["text"]
    append(log, "x" * 300_000 + "\n")
    again = listen(sources, topic, lambda page: page.last.get("text", "").endswith("\n"), page.cursor)
    assert "".join(message["text"] for message in again.about(topic)) == "x" * 300_000 + "\n"
    assert not any(message["reset"] for message in again.about(topic))


def sample_file(studio: Studio) -> Path:
    studio.jobs.submit({"kind": "serve"})
    run = RunFolder(studio.runs / "serve-0001")
    run.samples.mkdir()
    return run.sample("serve-0001_a")


def test_a_sample_is_followed_line_by_line(sources: Sources, studio: Studio):
    path = sample_file(studio)
    topic = "sample:serve-0001_a"
    delta = [0, 5, "`${x}`</script>\u2028", 0.5, "revealed", []]
    step = trajectory.encode({"type": "step", "step": 1, "deltas": [delta]})
    text = step.encode()
    steps = [
        lambda: append(path, trajectory.encode(START) + step[:20]),  # a line that is still being written
        lambda: append(path, text[20:]),
        lambda: append(path, trajectory.encode(END)),
    ]
    page = listen(sources, topic, lambda page: page.last.get("done"), script=steps)
    waiting, *batches = page.about(topic)
    assert waiting["waiting"]
    assert [batch["reset"] for batch in batches] == [True, False, False]
    lines = [line for batch in batches for line in batch["lines"]]
    assert lines == [START, json.loads(step), END]


def test_every_cut_of_a_sample_comes_back_whole(sources: Sources, studio: Studio):
    path = sample_file(studio)
    lines = [START, *({"type": "step", "step": n, "deltas": []} for n in range(5)), END]
    topic = "sample:serve-0001_a"
    path.write_text("".join(trajectory.encode(line) for line in lines[:3]))
    page = listen(sources, topic, count(topic, 1))
    path.write_text("".join(trajectory.encode(line) for line in lines))
    again = listen(sources, topic, lambda page: page.last.get("done"), page.cursor)
    assert page.about(topic)[0]["lines"] + again.about(topic)[0]["lines"] == lines
    assert not again.about(topic)[0]["reset"]


def test_a_long_sample_comes_in_parts(sources: Sources, studio: Studio):
    path = sample_file(studio)
    lines = [START, *({"type": "step", "step": n, "pad": "x" * 10_000} for n in range(100)), END]
    lines.insert(50, {"type": "step", "step": -1, "pad": "y" * 700_000})
    path.write_text("".join(trajectory.encode(line) for line in lines))
    topic = "sample:serve-0001_a"
    page = listen(sources, topic, lambda page: page.last.get("done"))
    assert len(page.messages) > 3
    assert [line for batch in page.messages for line in batch["lines"]] == lines


def test_a_sample_whose_server_is_gone_ends(sources: Sources, studio: Studio):
    path = sample_file(studio)
    path.write_text(trajectory.encode(START))
    studio.jobs.stop("serve-0001")
    topic = "sample:serve-0001_a"
    page = listen(sources, topic, lambda page: page.last.get("done"))
    assert page.messages[-1]["lines"][-1]["reason"] == "error"


def test_a_sample_that_was_never_handed_over_is_told(sources: Sources, studio: Studio):
    path = sample_file(studio)
    topic = "sample:serve-0001_a"
    page = listen(sources, topic, lambda page: "error" in page.last)
    assert "ask again" in page.last["error"]
    assert not path.exists()  # looking changes nothing


def test_wrong_topics_do_not_harm_the_others(sources: Sources, studio: Studio):
    wrong = ["job:train-9999", "log:../x", "sample:nope", "jobs:x", "job:", "nonsense"]
    page = listen(sources, ",".join([*wrong, "jobs"]), count("jobs", 1))
    assert {message["topic"] for message in page.messages if "error" in message} == set(wrong)
    page = listen(sources, "jobs", count("jobs", 1), cursor="%%%&jobs=&x")
    assert page.about("jobs")[0]["reset"]


def test_our_own_mistake_ends_one_topic_only(sources: Sources, studio: Studio, monkeypatch, caplog):
    run_of(studio)

    def broken(*_: Any) -> None:
        raise KeyError("a secret detail")

    monkeypatch.setattr(studio.jobs, "get", broken)
    page = listen(sources, "job:train-0001,jobs", count("jobs", 1))
    assert "secret" not in page.about("job:train-0001")[0]["error"] and "secret" in caplog.text


def test_a_database_in_trouble_is_told_and_tried_again(sources: Sources, studio: Studio, monkeypatch):
    real, tries = studio.jobs.shown, []

    def busy(limit: int) -> list:
        tries.append(1)
        if len(tries) < 3:
            raise ResourceError("The disk is full.")
        return real(limit)

    monkeypatch.setattr(studio.jobs, "shown", busy)
    monkeypatch.setattr(events, "TROUBLE_SECONDS", 0.01)
    page = listen(sources, "jobs", lambda page: "jobs" in page.last)
    assert [message.get("error") for message in page.messages] == ["The disk is full.", None]


def test_a_quiet_stream_says_that_it_is_there(sources: Sources, monkeypatch):
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.1)
    assert listen(sources, "jobs", lambda page: page.comments >= 2).comments >= 2


def test_nothing_is_asked_of_the_database_while_nothing_changes(
    sources: Sources, studio: Studio, monkeypatch
):
    asked = []
    real = studio.jobs.shown
    monkeypatch.setattr(studio.jobs, "shown", lambda limit: asked.append(1) or real(limit))
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.5)
    listen(sources, "jobs", lambda page: page.comments >= 2)
    assert len(asked) == 1


def test_where_each_attempt_went_on_is_told_whole_and_as_it_comes(tmp_path: Path):
    path = tmp_path / "e"
    for attempt, steps in ((1, (5, 10, 15)), (2, (11, 16))):
        writer = EventWriter(path, attempt)
        for step in steps:
            writer.write("metrics", step=step, values={"loss": 1.0})
        writer.close()
    index = RunIndex(path)
    index.advance()
    assert index.tries == {"1": 5, "2": 11}
    assert news([event for _, event in read_events(path)][3:])["tries"] == {"2": 11}


def test_an_index_reads_each_byte_once(tmp_path: Path):
    writer = EventWriter(tmp_path / "e", 1)
    index = RunIndex(tmp_path / "e")
    for step in range(5):
        writer.write("note", text=str(step))
        index.advance()
        index.advance()
    assert [event["text"] for event in index.events] == list("01234")
    writer.close()


def test_points_that_the_database_has_not_yet():
    points = [{"event": "metrics", "step": step, "values": {"loss": step}} for step in (2, 3)]
    points.append({"event": "levels", "step": 3, "loss": [], "count": []})
    points.append({"event": "validation_levels", "step": 3, "loss": [], "count": []})
    known = {"validation_levels": [{"step": 2}, {"step": 3}]}
    found = with_newest({"loss": [[1, 9], [2, 9]]}, known, points)
    assert found["metrics"] == {"loss": [[1, 9], [2, 9], [3, 3]]}
    assert [level["step"] for level in found["levels"]] == [3]
    assert found["validation_levels"] == known["validation_levels"]
    assert thinned(list(range(1000)), 10)[-1] == 999 and len(thinned(list(range(1000)), 10)) == 10
