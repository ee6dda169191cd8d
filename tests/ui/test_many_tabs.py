"""Many tabs of one browser share one stream: none stalls a request, each is told all that is its own."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.fakes.browser import PageServer, go
from tests.fakes.page_runs import curve_step, start, tiny
from tests.fakes.processes import until
from tests.ui.test_lanes import LANES, frames, prepare, run, wait_for

pytestmark = pytest.mark.thorough

Open = Callable[..., Any]
MANY = 8  # more than the six connections that a browser opens to a server
ASKED = "fetch('/api/health', { signal: AbortSignal.timeout(20_000) }).then((reply) => reply.status)"
NONE = "delete window.SharedWorker"
BROKEN = """window.SharedWorker = class {
  port = { postMessage() {} };
  constructor() { setTimeout(() => this.onerror(), 50); }
}"""
FORBIDDEN = """window.SharedWorker = class {
  constructor() { throw new DOMException("The operation is insecure.", "SecurityError"); }
}"""
OFFLINE = "document.documentElement.classList.contains('studio-offline')"
CROWDED = """async () => {
  let asked = "";
  window.EventSource = class { constructor(path) { asked = path; } addEventListener() {} close() {} };
  const hub = new window.StudioHub();
  const told = [];
  const hear = (n) => (news) => "crowded" in news && told.push([n, news.crowded]);
  const tabs = Array.from({ length: 100 }, (_, n) => hub.join(hear(n)));
  for (const tab of tabs) tab.want(["jobs", "job:a", "log:a"], []);
  hub.open();
  const all = { topics: decodeURIComponent(asked).split(",").length, crowded: told.splice(0).length };
  tabs[99].leave();
  hub.open();
  return { ...all, later: told };
}"""
STILL_MASKED = ".lane .canvas .m"


@pytest.fixture
def endless(server: PageServer) -> Iterator[str]:
    """A training that goes on until the test ends."""
    job = start(server, tiny("Seen in many tabs", 200_000))
    yield job
    httpx.post(f"{server.url}/api/jobs/{job}/stop", json={"grace": 1}, timeout=30)


def beside(page: Any, url: str) -> Any:
    """Another tab of the same browser."""
    other = page.context.new_page()
    other.set_default_timeout(120_000)
    other.goto(url)
    return other


def test_eight_tabs_follow_a_run_and_any_may_close(open_tab: Open, server: PageServer, endless: str):
    url = f"{server.url}/?tab=jobs&run={endless}"
    pages = [open_tab("jobs")]
    pages[0].goto(url)
    pages += [beside(pages[0], url) for _ in range(MANY - 1)]
    until(lambda: min(map(curve_step, pages)) > 0, 120, "a curve in each tab")
    assert [page.evaluate(ASKED) for page in pages] == [200] * MANY
    pages[0].close()  # the first one, which began the stream
    left = pages[1:]
    left[0].reload()
    seen = max(map(curve_step, left[1:]))
    until(lambda: min(map(curve_step, left)) > seen, 120, "the curve goes on in each")


def test_a_tab_is_not_begun_anew_by_another(open_tab: Open):
    page = open_tab("playground")
    prepare(page, "stories", "stories")
    run(page)
    wait_for(page, "done")
    page.get_by_role("button", name="One step back").last.click()
    here = frames(page)
    other = beside(page, page.url)
    wait_for(other, "done")
    assert frames(page) == here
    assert other.locator(STILL_MASKED).count() == 0


def test_four_lanes_in_each_of_three_tabs_stall_nothing_and_miss_nothing(open_tab: Open, server: PageServer):
    page = open_tab("playground")
    prepare(page, "stories", "stories", "stories", "stories")
    pages = [page, page.context.new_page(), page.context.new_page()]
    for other in pages[1:]:
        other.set_default_timeout(120_000)
        go(other, server.url, "playground")
        prepare(other, "stories", "stories", "stories", "stories")
    for one in pages:
        run(one)
    assert [one.evaluate(ASKED) for one in pages] == [200, 200, 200]
    for one in pages:
        one.wait_for_function(f"{LANES}?.state === 'done'", timeout=240_000)
        ids = one.evaluate("window.studio.params.lanes").split(",")
        told = [httpx.get(f"{server.url}/api/samples/{request}").json()["lines"] for request in ids]
        one.locator(".lanes input[type=range]").fill(
            one.locator(".lanes input[type=range]").get_attribute("max")
        )
        assert frames(one) == [sum(line["type"] == "step" for line in lines) for lines in told]
        assert one.locator(STILL_MASKED).count() == 0


def test_a_page_that_comes_back_learns_that_the_server_answers_again(open_tab: Open):
    page = open_tab("jobs")
    page.evaluate("""() => {
      dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
      document.documentElement.classList.add("studio-offline"); // as it was left
    }""")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    until(lambda: not page.evaluate(OFFLINE), what="the page at work again")
    told = page.evaluate(CROWDED)  # a hundred tabs: the newest are told all, the oldest that they are not
    assert told == {"topics": 255, "crowded": 15, "later": [[14, False]]}


@pytest.mark.parametrize("lacks", [NONE, BROKEN, FORBIDDEN], ids=["none", "broken", "forbidden"])
def test_a_browser_without_shared_workers_has_a_stream_of_its_own(open_tab: Open, endless: str, lacks: str):
    page = open_tab("jobs")
    page.add_init_script(lacks)
    page.goto(f"{page.url}&run={endless}")
    until(lambda: curve_step(page) > 0, 120, "a curve")
