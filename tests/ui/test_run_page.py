"""The page of one run: looking closer at its curves, its settings beside another run's, a clone of it."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.fakes.browser import PageServer
from tests.fakes.page_runs import start, tiny
from tests.fakes.processes import until

Open = Callable[..., Any]
STEPS = 200


def state(server: PageServer, job: str) -> str:
    return httpx.get(f"{server.url}/api/jobs/{job}", timeout=30).json()["state"]


@pytest.fixture(scope="module")
def runs(server: PageServer) -> list[str]:
    """Two trainings that have ended and differ in one setting."""
    found = [
        start(server, tiny(f"Zoom {n}", STEPS, optimisation={"steps": STEPS, "batch_size": n}))
        for n in (4, 8)
    ]
    until(lambda: {state(server, job) for job in found} == {"succeeded"}, seconds=240, what="their ends")
    return found


@pytest.fixture
def page(open_tab: Open, runs: list[str]) -> Any:
    shown = open_tab("jobs")
    shown.evaluate("(id) => window.studio.open('jobs', {run: id})", runs[1])
    shown.locator(".chart path.l1").first.wait_for()
    return shown


def axis(chart: Any) -> str:
    """The last step on the axis of a chart."""
    return chart.get_by_text(re.compile("steps$")).text_content()


def test_a_dragged_stretch_is_shown_in_all_charts(page: Any):
    loss, rate = (page.locator(".chart", has_text=name).first for name in ("Training loss", "Learning rate"))
    whole = axis(loss)
    box = loss.locator("svg").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 60, steps=4)
    page.mouse.up()
    page.get_by_text(re.compile(r"^Steps \d+ to \d+$")).wait_for()
    until(lambda: axis(loss) == axis(rate) != whole, what="the same stretch in both charts")
    page.get_by_role("button", name="Show all steps").click()
    until(lambda: axis(loss) == axis(rate) == whole, what="all steps again")


def test_a_stretch_is_chosen_and_left_from_the_keyboard(page: Any):
    loss = page.locator(".chart", has_text="Training loss").first
    whole = axis(loss)
    loss.locator("svg").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.down("Shift")
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    page.keyboard.up("Shift")
    page.get_by_text(re.compile(r"^Steps \d+ to \d+$")).wait_for()
    page.keyboard.press("Escape")
    page.get_by_text("To look closer").wait_for()
    until(lambda: axis(loss) == whole, what="all steps again")


def test_settings_that_differ_from_another_run(page: Any, runs: list[str]):
    panel = page.locator(".settings")
    choice = panel.get_by_label("Differences from")
    choice.focus()
    choice.locator(f"option[value='/api/jobs/{runs[0]}']").wait_for(state="attached")
    choice.select_option(f"/api/jobs/{runs[0]}")
    panel.get_by_role("columnheader", name="there").wait_for()
    assert panel.locator("tbody tr").all_inner_texts() == ["optimisation.batch_size\t4\t8"]


def test_a_clone_fills_the_train_form(page: Any, runs: list[str]):
    page.get_by_role("button", name="Clone").click()
    page.get_by_text(f"The spec of {runs[1]}.").wait_for()
