"""A server with its page for all of these tests, and pages that fail a test by what their console says."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.browser import CHROMIUM, DESKTOP, PageServer, go, launch, watch


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser these tests are skipped; where a machine must have one (CI), they fail."""
    missing = not Path(CHROMIUM).exists() and os.environ.get("CI") != "true"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.ui)
            if missing:
                item.add_marker(pytest.mark.skip(reason=f"no Chromium at {CHROMIUM}; set CHROMIUM"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """One server for all tests of a session; tests make their own jobs in it."""
    started = PageServer(tmp_path_factory.mktemp("page") / "home with a 'name'")
    yield started
    started.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for the tests of a file: while Playwright runs, no other test may run an event loop."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = launch(playwright)
        yield chromium
        chromium.close()


@pytest.fixture
def open_tab(server: PageServer, browser: Any) -> Iterator[Callable[..., Any]]:
    """open_tab("train", size=PHONE) -> a page. Its errors and foreign requests fail the test; `refused`: the
    routes below this path may answer with a refusal, or what else may be said."""
    contexts, found = [], []

    def opened(
        tab: str, size: tuple[int, int] = DESKTOP, dark: bool = False, refused: str | None = None
    ) -> Any:
        contexts.append(browser.new_context(viewport={"width": size[0], "height": size[1]}))
        page = contexts[-1].new_page()
        page.set_default_timeout(120_000)  # busy machines
        found.append((watch(page, server.url), refused))
        go(page, server.url, tab, dark)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [line for lines, refused in found for line in lines if not _is_refusal(line, refused)] == []


def _is_refusal(line: str, below: str | None) -> bool:
    return below is not None and (below in line or line.startswith("console: Failed to load resource"))
