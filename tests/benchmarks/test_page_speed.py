"""What a person waits for in the browser, and what lookers cost the server.

`pytest -m benchmark -s tests/benchmarks/test_page_speed.py` prints figures; needs Chromium. Goals: the first
page useful in 2 s warm, a canvas of 512 tokens at 30 frames a second without a task over 50 ms, 20 viewers of
one run in 15 % of a core, an idle page in 2 %.
"""

import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import sync_playwright

from backend.services.film_document import FORMAT, VERSION
from tests.fakes.browser import DESKTOP, PageServer, launch
from tests.fakes.page_runs import start, tiny
from tests.fakes.processes import until

pytestmark = pytest.mark.benchmark
ROUNDS = 5
SECONDS = 20
TOKENS = 512
MANY_TABS = 8
ASK = """async () => {
  const began = performance.now();
  await fetch("/api/health");
  return performance.now() - began;
}"""
SEEN = "({ ...window.seen, seconds: (performance.now() - window.seen.began) / 1000 })"
COUNT_FRAMES = """() => {
  const watched = Boolean(window.seen);
  window.seen = { frames: 0, tasks: [], began: performance.now() };
  if (watched) return;
  const note = (list) => list.getEntries().forEach((task) => window.seen.tasks.push(task.duration));
  new PerformanceObserver(note).observe({ entryTypes: ["longtask"] });
  const canvas = document.querySelector(".denoise");
  let last = "";
  const look = () => {
    if (canvas.dataset.frame !== last) window.seen.frames += 1;
    last = canvas.dataset.frame;
    requestAnimationFrame(look);
  };
  look();
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    started = PageServer(tmp_path_factory.mktemp("speed"))
    yield started
    started.end()


@pytest.fixture(scope="module")
def page(server: PageServer) -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        opened = browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]}).new_page()
        opened.set_default_timeout(60_000)
        yield opened
        browser.close()


@pytest.mark.parametrize("tab", ["playground", "train", "jobs", "models"])
def test_the_first_page(server: PageServer, page: Any, tab: str):
    taken = []
    for _ in range(ROUNDS + 1):  # the first one warms up
        page.goto("about:blank")
        began = time.perf_counter()
        page.goto(f"{server.url}/?tab={tab}", wait_until="commit")
        page.locator(f"#{tab}-page :is(h1, h2)").first.wait_for()
        taken.append(time.perf_counter() - began)
    print(f"\n{tab}: useful after {statistics.median(taken[1:]):.2f} s (first time {taken[0]:.2f} s)")


def test_an_idle_page(server: PageServer, page: Any):
    for tab in ("playground", "jobs"):
        page.goto(f"{server.url}/?tab={tab}")
        page.locator(f"#{tab}-page").wait_for()
        time.sleep(5)
        print(f"\nthe server, idle, {tab} open: {server.share_of_a_core(SECONDS):.2f} % of a core")


def long_text() -> dict[str, Any]:
    """A document of TOKENS tokens that are written one a step."""
    words = [f" word{n % 97}" for n in range(TOKENS)]
    start_line = {
        **{
            "type": "start",
            "version": 1,
            "request": "made",
            "model": "stories",
            "sampler": {"name": "llada"},
        },
        **{"seed": 0, "prompt": "", "mask_id": 1, "length": TOKENS, "prompt_length": 0, "completes": True},
        **{"ids": [1] * TOKENS, "texts": [""] * TOKENS, "given": []},
    }
    steps = [
        {
            **{"type": "step", "step": n, "nfe": n + 1, "seconds": n / 30, "block": 0, "entropy": 1.0},
            **{"masked": TOKENS - n - 1, "deltas": [[n, 5, word, 0.5, "revealed", [[word, 0.5]], 0.7]]},
        }
        for n, word in enumerate(words)
    ]
    text = "".join(words)
    end = {"type": "end", "reason": "finished", "nfe": TOKENS, "seconds": 17.0, "text": text, "texts": words}
    told = {"studio": "benchmark", "exported": 0, "request": "made", "model": "stories"}
    return {"format": FORMAT, "version": VERSION, "provenance": told, "lines": [start_line, *steps, end]}


def test_a_canvas_of_many_tokens(server: PageServer, page: Any):
    reply = httpx.post(f"{server.url}/api/samples/import", json=long_text(), timeout=60)
    assert reply.status_code < 300, reply.text
    page.goto(f"{server.url}/?tab=playground&sample={reply.json()['request']}")
    page.wait_for_function("document.querySelector('.denoise')?.dataset.state === 'done'")
    time.sleep(2)  # the page has come to rest
    page.locator(".denoise input[type=range]").fill("0")
    page.get_by_role("radio", name="4x", exact=True).first.click()
    page.evaluate(COUNT_FRAMES)
    page.get_by_role("button", name="Play", exact=True).first.click()
    time.sleep(8)
    seen = page.evaluate(SEEN)
    rate = seen["frames"] / seen["seconds"]
    print(f"\ncanvas of {TOKENS} at 4x: {rate:.1f} steps a second drawn, {long(seen)}")
    page.evaluate(COUNT_FRAMES)
    for place in (0, TOKENS, TOKENS // 2) * 3:
        page.locator(".denoise input[type=range]").fill(str(place))
        time.sleep(0.5)
    print(f"\nnine jumps on it: {long(page.evaluate(SEEN))}")


def long(seen: dict[str, Any]) -> str:
    return f"{len(seen['tasks'])} tasks over 50 ms, longest {max(seen['tasks'], default=0):.0f} ms"


def test_many_tabs_of_one_browser(server: PageServer, page: Any):
    """Of eight tabs, six would hold every connection if each had a stream of its own."""
    tabs = [page.context.new_page() for _ in range(MANY_TABS)]
    for tab in tabs:
        tab.goto(f"{server.url}/?tab=jobs")
        tab.locator("#jobs-page :is(h1, h2)").first.wait_for()
    taken = [tab.evaluate(ASK) for tab in tabs for _ in range(ROUNDS)]
    print(
        f"\n{MANY_TABS} tabs: a request takes {statistics.median(taken):.0f} ms, at most {max(taken):.0f} ms"
    )
    print(f"\nthe server, idle, with them: {server.share_of_a_core(SECONDS):.2f} % of a core")
    for tab in tabs:
        tab.close()


def test_many_viewers_of_one_run(server: PageServer):
    job = start(server, tiny("Watched", 200_000))
    until(lambda: (httpx.get(f"{server.url}/api/jobs/{job}").json()["step"] or 0) > 10, 120, "a step")
    alone = server.share_of_a_core(SECONDS)
    leave = threading.Event()

    def look() -> None:
        topics = {"topics": f"jobs,job:{job},log:{job}"}
        with httpx.stream("GET", f"{server.url}/api/events", params=topics, timeout=None) as stream:
            for _ in stream.iter_raw():
                if leave.is_set():
                    return

    viewers: list[threading.Thread] = []
    for count in (1, 5, 20):
        while len(viewers) < count:
            viewers.append(threading.Thread(target=look, daemon=True))
            viewers[-1].start()
        time.sleep(3)
        share = server.share_of_a_core(SECONDS) - alone
        print(f"\n{count:>3} viewers of a run: {share:.2f} % of a core more than without ({alone:.2f} %)")
    leave.set()
    httpx.post(f"{server.url}/api/jobs/{job}/stop", json={"grace": 1}, timeout=30)
