"""Every tab for those who do not see it, do not point at it, or do not want it to move."""

import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import pytest

from tests.fakes.browser import DESKTOP, PHONE, PageServer
from tests.ui.test_jobs import row, start, tiny
from tests.ui.test_playground import wait_for
from ui.app import TABS

Open = Callable[..., Any]
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
SERIOUS = {"serious", "critical"}
MOST_STOPS = 400

# What has the focus: null for the page itself; else what it is, and whether that can be seen.
FOCUSED = """() => {
  const at = document.activeElement;
  if (!at || at === document.body || at === document.documentElement) return null;
  const marked = (node) => {
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(node);
    return (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none";
  };
  const around = [at, at.closest("label"), at.closest(".wrap"), at.parentElement].filter(Boolean);
  const box = (at.closest("label") || at).getBoundingClientRect();
  const name = at.getAttribute("aria-label") || at.textContent.trim().slice(0, 40);
  return {
    name: `${at.tagName} ${(at.closest("[id]") || {}).id} ${name}`,
    shown: box.width > 0 && box.height > 0 && around.some(marked),
  };
}"""
UNFOLD = """() => [...document.querySelectorAll("button.label-wrap:not(.open), summary")]
  .filter((fold) => fold.offsetParent).forEach((fold) => fold.click())"""
# Nothing was fetched for a while. Gradio's lists throw when their choices shrink while they are open.
SETTLED = """() => performance.now()
  - Math.max(...performance.getEntriesByType("resource").map((one) => one.responseEnd)) > 1500"""
SHRUNK = "Cannot read properties of undefined (reading '0')"  # what they say then; nothing else is lost
TINTS = "nodes => nodes.map((node) => getComputedStyle(node).backgroundColor)"
SEEN_ICON = """node => {
  const canvas = document.createElement("i");
  canvas.style.backgroundColor = "CanvasText";
  document.body.append(canvas);
  return getComputedStyle(node).backgroundColor === getComputedStyle(canvas).backgroundColor;
}"""
MOVING = """() => document.getAnimations()
  .filter((one) => one.playState === "running" && one.effect.getComputedTiming().duration > 50)
  .map((one) => one.animationName || one.transitionProperty)"""


def each_tab(page: Any) -> Iterator[str]:
    """Choose every tab, one after the other, and unfold it."""
    for tab in TABS:
        page.locator(f"#{tab}-page-button").click()
        page.locator(f"#{tab}-page:visible").wait_for()
        page.evaluate(UNFOLD)
        page.wait_for_function(SETTLED)
        yield tab


def violations(page: Any) -> list[str]:
    """What axe finds serious, with the place of each."""
    page.evaluate(AXE)
    found = page.evaluate("(tags) => axe.run({ runOnly: tags, resultTypes: ['violations'] })", STANDARD)
    return [
        f"{found['id']}: {node['html'][:200]}: {node['failureSummary']}"
        for found in found["violations"]
        if found["impact"] in SERIOUS
        for node in found["nodes"]
    ]


def tab_to(page: Any, target: Any, key: str = "Tab") -> None:
    """Press a key until the target has the focus."""
    for _ in range(MOST_STOPS):
        if target.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{target} is not reached with {key} alone")


@pytest.mark.parametrize(
    "dark", [False, pytest.param(True, marks=pytest.mark.thorough)], ids=["light", "dark"]
)
def test_axe_finds_nothing_serious(open_tab: Open, server: PageServer, dark: bool):
    job = start(server, tiny("Seen by all", 5))
    page = open_tab("playground", dark=dark)
    found = {tab: violations(page) for tab in each_tab(page)}
    page.locator("#jobs-page-button").click()
    row(page, job).locator('[data-state="succeeded"]').wait_for()
    row(page, job).get_by_role("link").click()
    page.locator(".chart path").first.wait_for()
    found["run"] = violations(page)
    assert {screen: wrong for screen, wrong in found.items() if wrong} == {}


@pytest.mark.thorough
def test_the_tab_key_goes_through_the_whole_page_and_is_seen_everywhere(open_tab: Open):
    page = open_tab("playground", refused=SHRUNK)
    for tab in each_tab(page):
        page.evaluate("() => (document.activeElement.blur(), window.scrollTo(0, 0))")
        stops = []
        while len(stops) < MOST_STOPS:
            page.keyboard.press("Tab")
            focused = page.evaluate(FOCUSED)
            if focused is None and stops:
                break
            stops.append(focused)
        assert len(stops) < MOST_STOPS, f"{tab}: there is no way out of {stops[-5:]}"
        assert [stop["name"] for stop in stops if not stop["shown"]] == [], tab


def test_the_first_stop_skips_the_bar(open_tab: Open):
    page = open_tab("models")
    page.locator("#models-list button").first.wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("() => Boolean(document.activeElement.closest('#models-list'))")


def test_a_training_is_started_and_a_job_opened_by_keyboard_alone(open_tab: Open, server: PageServer):
    page = open_tab("train")
    tab_to(page, page.locator("#train-start"), "Shift+Tab")
    page.keyboard.press("Enter")
    page.locator(".runhead .badge").wait_for()
    stop = page.get_by_role("button", name=re.compile("^(Stop|Cancel)"))
    tab_to(page, stop)
    page.keyboard.press("Enter")
    page.locator('.runhead .badge[data-state="stopped"]').wait_for(timeout=60_000)
    delete = page.get_by_role("button", name="Delete", exact=True)
    tab_to(page, delete)
    page.keyboard.press("Enter")
    page.locator("[data-asking]").wait_for()
    page.keyboard.press("Escape")
    page.locator("[data-asking]").wait_for(state="detached")
    back = page.get_by_role("link", name="All jobs")
    tab_to(page, back)
    page.keyboard.press("Enter")
    link = page.locator("tr[data-job] a").first
    tab_to(page, link)
    page.keyboard.press("Enter")
    page.locator(".runhead .badge").wait_for()


def test_the_model_is_asked_by_keyboard_alone(open_tab: Open):
    page = open_tab("playground")
    message = page.locator("#play-message textarea")
    tab_to(page, message)
    page.keyboard.press("Control+a")
    page.keyboard.type("Write a story about Mia who finds a lantern.")
    tab_to(page, page.locator("#play-go"))
    page.keyboard.press("Enter")
    assert wait_for(page, "done", "error") == "done"
    tab_to(page, page.get_by_label("Step", exact=True))
    assert violations(page) == []
    page.emulate_media(forced_colors="active")  # confidence keeps its tints, icons are seen
    assert len(set(page.locator(".denoise .canvas .t").evaluate_all(TINTS))) > 1
    assert page.locator(".denoise .transport .i").first.evaluate(SEEN_ICON)
    assert violations(page) == []


@pytest.mark.thorough
def test_nothing_moves_for_those_who_asked_for_that(open_tab: Open):
    page = open_tab("models")
    page.emulate_media(reduced_motion="reduce")
    moving = {tab: page.evaluate(MOVING) for tab in each_tab(page)}
    assert {tab: names for tab, names in moving.items() if names} == {}


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_tab_fits_and_is_quiet(open_tab: Open, size: tuple[int, int]):
    page = open_tab("playground", size=size)
    width = "document.documentElement.scrollWidth"
    wide = {tab: page.evaluate(width) for tab in each_tab(page)}
    assert {tab: found for tab, found in wide.items() if found > size[0]} == {}
