"""The Jobs tab in a real browser: the list, one run while it moves, and what can be done with it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.browser import DESKTOP, PHONE, PageServer, go
from tests.fakes.page_runs import curve_step, start, tiny
from tests.fakes.processes import until

Open = Callable[..., Any]
DRAW_LATE = """() => {
  const late = Object.assign(document.createElement("button"), { id: "late", textContent: "Late" });
  late.dataset.server = "";
  document.body.append(late);
  const toast = Object.assign(document.createElement("div"), { className: "toast-wrap late" });
  toast.innerHTML = "<style>.toast-wrap.late { display: flex; }</style>Connection lost";
  document.body.append(toast);
}"""


def row(page: Any, job: str) -> Any:
    return page.locator(f'tr[data-job="{job}"]')


def badge(page: Any, state: str) -> Any:
    return page.locator(f'.runhead .badge[data-state="{state}"]')


@pytest.fixture
def running(server: PageServer) -> Iterator[str]:
    """A training that goes on until somebody stops it."""
    job = start(server, tiny("Endless", 200_000))
    yield job
    httpx.post(f"{server.url}/api/jobs/{job}/stop", json={"grace": 2}, timeout=30)


def test_a_run_is_watched_stopped_resumed_and_deleted(open_tab: Open, running: str):
    page = open_tab("jobs")
    row(page, running).get_by_text("left").wait_for(timeout=60_000)
    row(page, running).get_by_role("link", name="Endless").click()
    assert f"run={running}" in page.url
    until(lambda: curve_step(page) > 0, what="a curve")
    before = curve_step(page)
    until(lambda: curve_step(page) > before, what="a growing curve")
    page.locator(".log").get_by_text("loss").first.wait_for()

    page.get_by_role("button", name="Stop and save").click()
    badge(page, "stopped").wait_for(timeout=60_000)
    page.locator(".reason").get_by_text("It came to step").wait_for()
    page.get_by_role("button", name="Resume", exact=True).click()
    page.locator(".names").get_by_text("attempt 2").wait_for(timeout=60_000)
    badge(page, "running").wait_for(timeout=60_000)
    page.get_by_role("button", name=re.compile("^Stop")).click()
    badge(page, "stopped").wait_for(timeout=60_000)

    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Keep", exact=True).click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.locator(".acts").get_by_text("for good?").wait_for()
    page.locator(".acts").get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("heading", name="Jobs", exact=True).wait_for()
    row(page, running).wait_for(state="detached")
    assert "run=" not in page.url


@pytest.mark.thorough
def test_a_click_on_a_row_that_moves_is_not_lost(open_tab: Open, server: PageServer, running: str):
    page = open_tab("jobs")
    row(page, running).get_by_text("left").wait_for(timeout=60_000)
    asked: list[Any] = []
    page.route("**/api/jobs?*", lambda route: asked.append(route), times=1)
    (latest,) = hold(server, "Latest")  # another list, which the page asks for
    until(lambda: page.wait_for_timeout(50) or asked, what="the question")
    row(page, running).get_by_role("link", name="Endless").hover()
    page.mouse.down()
    asked[0].continue_()
    asked[0].request.response().finished()
    page.wait_for_timeout(200)  # it would be drawn by then
    page.mouse.up()
    page.wait_for_url(f"**run={running}*")
    page.go_back()
    row(page, latest).get_by_role("button", name="Cancel").click()

    stop = row(page, running).get_by_role("button", name=re.compile("^Stop"))
    stop.hover()
    page.mouse.down()
    page.wait_for_timeout(1200)  # meanwhile it went on
    page.mouse.up()
    row(page, running).locator('[data-state="stopped"]').wait_for(timeout=60_000)


@pytest.mark.thorough
def test_the_focus_stays_where_it_is_while_a_run_goes_on(open_tab: Open, running: str):
    page = open_tab("jobs")
    devices = page.locator(".devices")
    devices.get_by_text("left").wait_for(timeout=60_000)
    page.get_by_label("Search jobs").fill("no such run")
    for target in (page.get_by_role("button", name="Clear filters"), devices.get_by_role("link").first):
        target.focus()
        told = devices.inner_text()
        until(lambda told=told: devices.inner_text() != told, 60, "news of the run")
        assert target.evaluate("node => node === document.activeElement")
    page.get_by_role("button", name="Clear filters").click()
    more = row(page, running).get_by_role("button", name="More about")
    more.click()
    told = devices.inner_text()
    until(lambda: devices.inner_text() != told, 60, "news of the run")
    page.keyboard.press("Escape")
    until(lambda: more.evaluate("node => node === document.activeElement"), what="the button again")


def test_a_failed_run_says_why_in_one_sentence(open_tab: Open, server: PageServer, tmp_path: Path):
    data = tmp_path / "rows.jsonl"
    data.write_text('{"messages": 3}\n')
    job = start(server, tiny("Bad rows", 5, data={"path": str(data), "format": "messages"}))
    page = open_tab("jobs")
    row(page, job).locator(".why").get_by_text("line 1").wait_for(timeout=60_000)
    row(page, job).get_by_role("button", name="Retry").wait_for()
    row(page, job).get_by_role("link", name="Bad rows").click()
    page.locator(".reason .note.bad").get_by_text("line 1").wait_for()
    lines = page.locator(".reason pre")
    assert not lines.is_visible()
    page.get_by_text("Last lines of the log").click()
    lines.wait_for()
    page.go_back()
    row(page, job).wait_for()


def test_the_list_is_filtered_by_state_and_words(open_tab: Open, server: PageServer):
    job = start(server, tiny("<b>Short</b> one", 2))
    page = open_tab("jobs")
    row(page, job).locator('[data-state="succeeded"]').wait_for(timeout=60_000)
    assert row(page, job).get_by_role("link").inner_text() == "<b>Short</b> one"
    page.get_by_role("radio", name=re.compile("^Queued")).click()
    row(page, job).wait_for(state="detached")
    page.get_by_label("Search jobs").fill("no such run")
    page.get_by_role("button", name="Clear filters").click()
    row(page, job).wait_for()
    page.get_by_label("Search jobs").fill(job.replace("-", " "))
    row(page, job).wait_for()


def queued(page: Any, ids: list[str]) -> list[str]:
    """Those of `ids` that wait, in the order shown."""
    listed = page.locator('tr[data-state="queued"]').evaluate_all("rows => rows.map((r) => r.dataset.job)")
    return [job for job in listed if job in ids]


def hold(server: PageServer, *names: str) -> list[str]:
    return [start(server, tiny(name, 2, queue={"hold": True})) for name in names]


@pytest.mark.thorough
def test_an_order_that_was_taken_back_before_any_news_of_it_does_not_stay(open_tab: Open, server: PageServer):
    """A list that is read between a move and its opposite, of which the stream then has nothing to tell."""
    ids = hold(server, "Before", "Behind")
    page = open_tab("jobs")
    until(lambda: queued(page, ids) == ids, what="the order in which they came")

    def between(route: Any) -> None:
        answer = route.fetch()
        told = answer.json()
        there = [told["jobs"].index(next(job for job in told["jobs"] if job["id"] == id)) for id in ids]
        one, other = (told["jobs"][place] for place in there)
        one["queue_position"], other["queue_position"] = other["queue_position"], one["queue_position"]
        told["jobs"][there[0]], told["jobs"][there[1]] = other, one
        route.fulfill(response=answer, json=told)

    page.route("**/api/jobs?*", between, times=1)
    third = hold(server, "Latest")  # news: the page asks
    until(lambda: queued(page, ids) == ids[::-1], what="the order in between")
    until(lambda: queued(page, ids) == ids, what="the order as it is")
    for job in ids + third:
        httpx.post(f"{server.url}/api/jobs/{job}/stop").raise_for_status()


def test_the_queue_is_put_in_order_by_buttons_keys_and_mouse(open_tab: Open, server: PageServer):
    ids = hold(server, "First", "Second", "Third")
    first, second, third = ids
    page = open_tab("jobs")

    def order() -> list[str]:
        return queued(page, ids)

    until(lambda: order() == [first, second, third], what="the order in which they came")
    row(page, second).get_by_role("link").press("Alt+ArrowUp")
    until(lambda: order() == [second, first, third], what="one place up")
    row(page, second).get_by_role("link").press("Alt+ArrowDown")
    until(lambda: order() == [first, second, third], what="one place down")
    row(page, third).get_by_role("button", name="To the top").click()
    until(lambda: order() == [third, first, second], what="the third at the top")
    grip = ".n .sub .num >> nth=0"
    row(page, second).locator(grip).drag_to(row(page, third).locator(grip))
    until(lambda: order() == [second, third, first], what="the second dragged to the first place")
    row(page, first).get_by_role("button", name="Release").click()
    row(page, first).locator('[data-state="succeeded"]').wait_for(timeout=60_000)
    row(page, third).get_by_role("button", name="Cancel").click()
    row(page, third).locator('[data-state="stopped"]').wait_for()
    row(page, second).get_by_role("button", name="Cancel").click()
    row(page, second).locator('[data-state="stopped"]').wait_for()


def test_nothing_is_wider_than_a_phone(open_tab: Open, running: str):
    page = open_tab("jobs", size=PHONE)
    width = "document.documentElement.scrollWidth"
    row(page, running).wait_for()
    assert page.evaluate(width) <= PHONE[0]
    row(page, running).get_by_role("link").click()
    until(lambda: curve_step(page) > 0, seconds=60, what="a curve")
    assert page.evaluate(width) <= PHONE[0]


def test_the_demo_runs_from_an_empty_list_and_survives_the_server(browser: Any, tmp_path: Path):
    server = PageServer(tmp_path / "home")
    # Not watched: that the server cannot be reached for a while is what this is about.
    page = browser.new_page(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    try:
        go(page, server.url, "jobs")
        page.get_by_role("button", name="Run the sudoku demo").click()
        page.get_by_role("heading", name="Sudoku 4x4, live").wait_for()
        until(lambda: curve_step(page) > 0, seconds=60, what="a curve")
        server.process.kill()
        server.process.wait()
        page.locator(".studio-offline-note").get_by_text("not reachable").wait_for()
        stop = page.locator(".acts button").first
        assert stop.is_disabled() and stop.get_attribute("title") == "Waits for the server"
        page.evaluate(DRAW_LATE)
        page.locator("#late[disabled]").wait_for()
        assert not page.locator(".toast-wrap.late").is_visible()
        seen = curve_step(page)
        server = PageServer(server.home, port=int(server.url.rpartition(":")[2]))
        page.locator(".studio-offline-note").wait_for(state="detached")
        assert page.locator(".acts button").first.is_enabled() and page.locator("#late").is_enabled()
        until(lambda: curve_step(page) > seen, seconds=60, what="the curve to go on")
        page.locator(".film .mini").first.wait_for()
        server.end()
        (server.home / "token").touch(mode=0o600)
        (server.home / "token").write_text("a-token-of-some-length")
        server = PageServer(server.home, port=int(server.url.rpartition(":")[2].split("/")[0]))
        page.locator(".studio-offline-note").get_by_role("link", name="Enter the token").click()
        page.get_by_label("Token").wait_for()
    finally:
        page.close()
        server.end()
