"""Told when a job ends: by the browser where somebody asked, in the title of a page that nobody looks at."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.fakes.browser import PageServer
from tests.fakes.page_runs import start, tiny
from tests.fakes.processes import until
from tests.ui.test_jobs import row

pytestmark = pytest.mark.thorough

ASKED_FOR = "JSON.parse(localStorage.getItem('studio.bells')).jobs"
Open = Callable[..., Any]
SLOW = 120_000
# Notes what would be shown, and lets a test say whether the page is looked at.
WATCHED = """() => {
  window.told = [];
  const Real = window.Notification;
  window.Notification = class {
    constructor(title, { body, tag }) { window.told.push([title, body, tag]); }
  };
  Object.defineProperty(window.Notification, "permission", { get: () => Real.permission });
  window.Notification.requestPermission = () => Real.requestPermission();
  let hidden = false;
  Object.defineProperty(document, "hidden", { get: () => hidden });
  window.look = (on) => { hidden = !on; document.dispatchEvent(new Event("visibilitychange")); };
}"""


def held(server: PageServer, name: str) -> str:
    return start(server, tiny(name, 2, queue={"hold": True}))


def release(server: PageServer, job: str) -> None:
    httpx.post(f"{server.url}/api/jobs/{job}/release", timeout=30)


def test_one_is_told_of_the_jobs_that_one_asked_for(open_tab: Open, server: PageServer):
    before, mine, other = (held(server, name) for name in ("Before", "<b>Mine</b>", "Other"))
    page = open_tab("jobs")
    page.evaluate(WATCHED)
    page.context.grant_permissions(["notifications"], origin=server.url)
    bell = row(page, mine).get_by_role("button", name="Tell me when")
    bell.click()
    until(lambda: bell.get_attribute("aria-pressed") == "true", what="the bell")
    page.evaluate("look(false)")
    for job in (before, other, mine):
        release(server, job)
    until(lambda: page.evaluate("told.length") > 0, 120, "a notification")
    until(lambda: page.title() == "(3) dLLM Studio", 120, "three ends in the title")
    ((title, body, tag),) = page.evaluate("told")
    assert title == "<b>Mine</b> succeeded" and mine.replace("-", " ") in body and mine in tag
    page.evaluate("look(true)")
    assert page.title() == "dLLM Studio"
    page.reload()
    row(page, mine).wait_for()
    assert page.title() == "dLLM Studio"


def test_all_jobs_can_be_asked_for_and_survive_a_reload(open_tab: Open, server: PageServer):
    job = held(server, "Any")
    page = open_tab("jobs")
    page.context.grant_permissions(["notifications"], origin=server.url)
    everything = page.get_by_role("button", name="Tell me when jobs end")
    everything.click()
    page.reload()
    row(page, job).wait_for()
    page.evaluate(WATCHED)
    assert everything.get_attribute("aria-pressed") == "true"
    release(server, job)
    until(lambda: page.evaluate("told.length") == 1, 120, "a notification")
    everything.click()
    assert everything.get_attribute("aria-pressed") == "false"


def test_a_job_that_only_left_the_streams_list_has_not_ended(open_tab: Open, server: PageServer):
    job = held(server, "Far back")
    page = open_tab("jobs")
    page.add_init_script(
        f"delete window.SharedWorker; localStorage.setItem('studio.bells', '{{\"jobs\": [\"{job}\"]}}')"
    )
    waits = httpx.get(f"{server.url}/api/jobs?search={job}").json()["jobs"]
    told = [{"reset": True, "total": 999, "jobs": waits}, {"reset": False, "total": 999, "removed": [job]}]
    body = "".join(f"event: 1\ndata: {json.dumps({'topic': 'jobs', **news})}\n\n" for news in told)
    page.route("**/api/events*", lambda route: route.fulfill(content_type="text/event-stream", body=body))
    with page.expect_response(f"**/api/jobs/{job}"):
        page.reload()
    page.wait_for_timeout(500)  # what was answered has been heard
    assert page.evaluate(ASKED_FOR) == [job]


def test_a_browser_that_says_no_is_told_of(open_tab: Open, server: PageServer):
    job = held(server, "Silent")
    page = open_tab("jobs")
    page.context.grant_permissions([], origin=server.url)  # headless: what is not granted is denied
    bell = row(page, job).get_by_role("button", name="Tell me when")
    bell.click()
    page.get_by_text("Notifications are blocked for this page").wait_for()
    assert bell.get_attribute("aria-pressed") == "false"
    httpx.post(f"{server.url}/api/jobs/{job}/stop", timeout=30)
