"""Where the rows of the list of jobs come from, while much happens."""

from collections.abc import Callable
from typing import Any

from tests.fakes.browser import PageServer
from tests.fakes.page_runs import start, tiny

Open = Callable[..., Any]
# News all the time, from a server that takes a second to answer: how many rows there are after a while.
RESTLESS = """async () => {
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const ask = window.fetch;
  window.fetch = async (...asked) => (await pause(1000), ask(...asked));
  const source = new window.StudioJobSource(() => new URLSearchParams(), () => null);
  const busy = setInterval(() => source.soon(), 50);
  for (let waited = 0; waited < 10_000 && !source.heads.length; waited += 100) await pause(100);
  clearInterval(busy);
  source.close();
  window.fetch = ask;
  return source.heads.length;
}"""


def test_answers_are_shown_while_news_come_all_the_time(open_tab: Open, server: PageServer):
    start(server, tiny("Seen", 5, queue={"hold": True}))
    assert open_tab("jobs").evaluate(RESTLESS) > 0
