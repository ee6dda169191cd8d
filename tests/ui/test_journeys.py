"""Whole ways through the studio: begin, come back, lose the server, look from elsewhere."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs.launch import source_root
from tests.fakes.browser import DESKTOP, PHONE, PageServer, go
from tests.fakes.page_runs import curve_step, start, tiny
from tests.fakes.processes import until
from tests.ui.test_playground import choose, wait_for

Open = Callable[..., Any]
HOSTILE_NAME = "<img src=x onerror='window.hacked=1'>"
STORY = "Write a story about Mia who finds a lantern."
XSS = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"
TABS = ("home", "playground", "data", "train", "convert", "jobs", "compare", "models")
SLOW = 120_000  # a process that loads torch comes first


@pytest.fixture
def endless(server: PageServer) -> Iterator[str]:
    """A training that goes on until the test ends."""
    job = start(server, tiny("Endless", 200_000))
    yield job
    httpx.post(f"{server.url}/api/jobs/{job}/stop", json={"grace": 1}, timeout=30)


def test_a_newcomer_trains_a_model_and_lets_it_write(open_tab: Open, server: PageServer):
    page = open_tab("train")
    page.get_by_text("ready to start").wait_for()  # the demo that the form starts with
    page.locator("#train-name textarea").fill("My first")
    page.locator("#train-steps [data-step=recipe]").click()
    page.locator("#train-optimisation-steps input").fill("4")
    page.get_by_role("radio", name="Changes (2)").wait_for()
    page.locator("#train-start").click()
    page.wait_for_url("**run=train-*")
    page.locator('.runhead .badge[data-state="succeeded"]').wait_for(timeout=SLOW)
    page.get_by_role("button", name="Try in playground").click()
    page.wait_for_selector("#play-grid textarea:visible")
    page.click("#play-go")
    page.wait_for_function("document.querySelector('.denoise')?.dataset.state === 'done'", timeout=SLOW)
    assert page.locator(".denoise .cell.m").count() == 0


def test_a_run_is_followed_through_reload_back_and_elsewhere(
    open_tab: Open, server: PageServer, endless: str
):
    page = open_tab("jobs")
    page.locator(f'tr[data-job="{endless}"]').get_by_role("link", name="Endless").click()
    until(lambda: curve_step(page) > 0, 90, "a curve")
    page.reload()
    until(lambda: curve_step(page) > 0, 90, "the curve after a reload")
    page.go_back()
    page.locator(f'tr[data-job="{endless}"]').wait_for()
    page.go_forward()
    other = open_tab("jobs", size=PHONE, dark=True)  # another browser, on a phone
    other.goto(f"{server.url}/?tab=jobs&run={endless}")
    until(lambda: min(curve_step(page), curve_step(other)) > 0, 90, "the curve in both")
    seen = max(curve_step(page), curve_step(other))
    until(lambda: min(curve_step(page), curve_step(other)) > seen, 90, "both go on")
    assert other.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[list[PageServer]]:
    """A server that the test may kill; the last one in the list is ended."""
    servers = [PageServer(tmp_path / "home")]
    yield servers
    servers[-1].end()


def test_a_dead_server_is_told_and_caught_up_with(browser: Any, own_server: list[PageServer]):
    server = own_server[0]
    job = start(server, tiny("Outlives", 200_000))
    page = browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]}).new_page()
    page.set_default_timeout(SLOW)
    go(page, server.url, "jobs")
    page.goto(f"{server.url}/?tab=jobs&run={job}")
    until(lambda: curve_step(page) > 0, 90, "a curve")
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    page.get_by_text("Server not reachable since").wait_for()
    before = curve_step(page)
    own_server.append(PageServer(server.home, port=int(server.url.rsplit(":", 1)[1])))
    page.get_by_text("Server not reachable since").wait_for(state="detached")
    until(lambda: curve_step(page) > before, 90, "the curve goes on")
    page.context.close()


@pytest.fixture
def hostile_model(server: PageServer) -> Iterator[str]:
    """The bundled stories in a folder of a hostile name."""
    folder = server.home / "models" / HOSTILE_NAME
    shutil.copytree(Path(source_root() or "", "assets/models/stories"), folder)
    yield folder.name
    shutil.rmtree(folder)


@pytest.mark.thorough
def test_no_name_of_a_model_and_no_row_of_data_becomes_a_part_of_the_page(
    open_tab: Open, server: PageServer, hostile_model: str
):
    rows = server.home / "datasets" / "hostile.jsonl"
    rows.parent.mkdir(exist_ok=True)
    row = {"messages": [{"role": "user", "content": "Tell a story."}, {"role": "assistant", "content": XSS}]}
    rows.write_text("\n".join([json.dumps(row)] * 4 + [json.dumps({"messages": XSS})]))
    page = open_tab("playground")
    choose(page, hostile_model)
    page.locator("#play-facts").get_by_text("846.3 k").wait_for()
    page.fill("#play-message textarea", STORY)
    page.click("#play-go")
    assert wait_for(page, "done", "error") == "done"
    page.locator(".lanes summary").click()
    page.get_by_label("Model A").select_option(hostile_model)
    page.locator("#models-page-button").click()
    page.locator("#models-list").get_by_text(hostile_model).wait_for()
    page.locator("#data-page-button").click()
    page.locator("#data-rows .row-card").first.wait_for()
    page.locator("#data-source").fill("hostile")
    page.locator("#data-source").press("Enter")
    page.locator("#data-rows").get_by_text("onerror").first.wait_for()
    assert page.evaluate("window.hacked") is None


@pytest.mark.thorough
def test_no_text_of_a_job_becomes_a_part_of_the_page(open_tab: Open, server: PageServer, tmp_path: Path):
    rows = tmp_path / f"{XSS.replace('/', '')[:60]}.jsonl"
    rows.write_text('{"messages": 3}\n')
    failed = start(server, tiny(XSS, 2, data={"path": str(rows), "format": "messages"}))
    made = start(server, tiny(XSS, 2, report={"prompts": ["1" * 4 + "." * 12], "log_every": 1}))
    for job in (failed, made):
        page = open_tab("jobs")
        page.goto(f"{server.url}/?tab=jobs&run={job}")
        page.locator(".runhead h1").get_by_text("<img").wait_for()
        ended = page.locator('.runhead .badge:is([data-state="failed"], [data-state="succeeded"])')
        ended.wait_for(timeout=SLOW)
        assert page.evaluate("window.hacked") is None
    note = httpx.post(f"{server.url}/api/jobs/{made}/note", json={"note": XSS}, timeout=30)
    assert note.status_code == 200, note.text
    page.reload()
    page.locator(".runhead h1").get_by_text("<img").wait_for()
    for tab in TABS:
        page.locator(f"#{tab}-page-button").click()
        page.locator(f"#{tab}-page").wait_for()
        assert page.evaluate("window.hacked") is None
