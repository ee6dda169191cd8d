"""The first screen: next steps for an empty studio, then what ended and what can be tried."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.browser import PHONE, PageServer, watch
from tests.fakes.processes import until
from tests.ui.test_jobs import start, tiny

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A studio that nobody else works in, for what an empty one shows."""
    started = PageServer(Path(tmp_path_factory.mktemp("home")))
    yield started
    started.end()


def section(page: Any, name: str) -> Any:
    return page.locator("#home").get_by_role("region", name=name, exact=True)


def test_the_page_opens_on_home_and_says_what_can_be_done(browser: Any, server: PageServer):
    page = browser.new_page()
    complaints = watch(page, server.url)
    page.goto(server.url)
    page.get_by_role("heading", name="Nothing has run here yet").wait_for(timeout=120_000)
    section(page, "Devices").get_by_text("free").first.wait_for()
    section(page, "Disk").get_by_text("Free").wait_for()
    page.get_by_role("button", name="Play with a bundled model").click()
    page.locator("#play-model").wait_for()
    page.close()
    assert complaints == []


def test_what_ended_and_what_waits_is_told(open_tab: Open, server: PageServer):
    name = "<b>Short</b> one"
    done = start(server, tiny(name, 2))
    held = start(server, tiny("Held", 2, queue={"hold": True}))
    own = start(server, {"kind": "serve", "model": "stories", "queue": {"hold": True}})
    page = open_tab("home")
    section(page, "Waiting").get_by_text("held, until it is released").wait_for()
    page.locator(".frame-bar").get_by_role(
        "button", name="1 queued", exact=True
    ).wait_for()  # none of its own
    ended = section(page, "Ended since your last visit")
    ended.get_by_role("link", name=name, exact=True).wait_for()
    section(page, "Your newest models").get_by_role("button", name=f"Try {done.replace('-', ' ')}").wait_for()
    page.reload()
    ended.get_by_role("link", name=name, exact=True).click()
    page.locator(".runhead").get_by_text(name).wait_for()
    assert f"run={done}" in page.url
    page.goto(server.url)
    ended.get_by_role("link", name=name, exact=True).click()
    page.locator(".runhead").get_by_text(name).wait_for()
    page.go_back()
    ended.wait_for()
    for job in (held, own):
        assert httpx.post(f"{server.url}/api/jobs/{job}/stop", timeout=30).is_success
    later = "[Date.now() / 1000, Date.now() / 1000 + 3600]"
    page.evaluate(f"localStorage.setItem('studio.visit', JSON.stringify({later}))")
    page.reload()  # nothing new, so what there was before
    section(page, "Latest runs").get_by_role("link", name=name, exact=True).wait_for()
    assert not ended.is_visible()


def test_an_address_that_names_no_tab_opens_on_home(open_tab: Open, server: PageServer):
    page = open_tab("jobs")
    page.goto(f"{server.url}/?tab=nothing")
    page.get_by_role("tab", name="Home").and_(page.locator(".selected")).wait_for()
    page.locator(".home h1").wait_for()


def test_home_is_no_wider_than_a_phone(open_tab: Open):
    page = open_tab("home", size=PHONE)
    section(page, "Disk").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


@pytest.mark.thorough
def test_a_sweep_under_way_leads_to_its_jobs_and_progress_asks_for_nothing(
    open_tab: Open, server: PageServer
):
    sweep = {"kind": "sweep", "name": "Long", "base": tiny("", 200_000), "grid": {"optimisation.seed": [1]}}
    reply = httpx.post(f"{server.url}/api/groups", json={"spec": sweep}, timeout=60)
    group = reply.json()["id"]
    (job,) = (each["id"] for each in reply.json()["jobs"])
    until(lambda: httpx.get(f"{server.url}/api/jobs/{job}").json()["state"] == "running", 120, "its start")
    page = open_tab("home")
    section(page, "Running").get_by_text("%").wait_for()
    link = section(page, "Pipelines and sweeps under way").get_by_role("link", name="Long", exact=True)
    link.wait_for()
    comparison = section(page, "Pipelines and sweeps under way").get_by_role("link", name="Compare Long")
    assert comparison.get_attribute("href") == f"?tab=compare&group={group}"
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(6000)  # the training goes on, the page follows it
    assert [url for url in asked if "/api/events" not in url] == []
    link.click()
    page.locator(f'tr[data-job="{job}"]').wait_for()
    assert f"group={group}" in page.url
    assert httpx.post(f"{server.url}/api/groups/{group}/stop", json={"grace": 1}, timeout=30).is_success
