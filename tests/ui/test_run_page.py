"""The page of one run: curves, settings beside another run's, a clone, checkpoints, lineage, log."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from jobs.protocol.folder import RunFolder
from tests.fakes.browser import PHONE, PageServer
from tests.fakes.page_runs import curve_step, start, tiny
from tests.fakes.processes import until
from tests.ui.test_accessibility import violations

Open = Callable[..., Any]
STEPS = 200


def view(server: PageServer, job: str) -> dict[str, Any]:
    return httpx.get(f"{server.url}/api/jobs/{job}", timeout=30).json()


def state(server: PageServer, job: str) -> str:
    return view(server, job)["state"]


def step(server: PageServer, job: str) -> int:
    return view(server, job)["step"]


@pytest.fixture(scope="module")
def runs(server: PageServer) -> list[str]:
    """Two trainings that have ended and differ in one setting."""
    report = {"log_every": 5, "save_every": STEPS // 2, "evaluate_every": STEPS // 4}
    found = [
        start(server, tiny(f"Zoom {n}", STEPS, optimisation={"steps": STEPS, "batch_size": n}, report=report))
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


def test_a_clone_knows_its_origin_and_is_freed_of_a_checkpoint(
    page: Any, runs: list[str], server: PageServer
):
    page.get_by_role("button", name="Clone").click()
    page.get_by_text(f"The spec of {runs[1]}.").wait_for()
    page.locator("#train-start:not([disabled])").click()
    page.locator(".lineage li", has_text="Cloned from").get_by_role("link", name="Zoom 8").wait_for()
    clone = re.search(r"run=(train-\d+)", page.url)
    assert clone and clone[1] not in runs
    until(lambda: state(server, clone[1]) == "succeeded", seconds=120, what="its end")
    rows = page.locator(".checkpoints tbody tr")
    page.get_by_role("button", name=f"Delete, step {STEPS}", exact=True).click()
    question = page.locator(".checkpoints").get_by_text("is the last checkpoint")
    question.wait_for()
    assert question.evaluate("(node) => node.getBoundingClientRect().right <= innerWidth")
    inside = "(node) => node.closest('.scroll').scrollWidth <= node.closest('.scroll').clientWidth"
    assert question.evaluate(inside), "all of it can be read"
    page.locator(".checkpoints").get_by_role("button", name="Keep", exact=True).click()
    page.get_by_role("button", name=f"Delete, step {STEPS // 2}", exact=True).click()
    page.locator(".checkpoints .ask + button").click()
    until(lambda: rows.count() == 1, what="one checkpoint less")
    assert page.get_by_role("button", name=f"Delete, step {STEPS}", exact=True).is_visible()


@pytest.mark.thorough
def test_a_checkpoint_is_tried_and_trained_from(page: Any, runs: list[str], server: PageServer):
    name = f"run:{runs[1]}/checkpoint-{STEPS // 2}"
    page.get_by_role("button", name=f"Train from it, step {STEPS // 2}").click()
    field = page.locator("#train-model-path textarea, #train-model-path input").first
    until(lambda: field.input_value() == name, what="the checkpoint in the Train form")
    page.evaluate("(id) => window.studio.open('jobs', {run: id})", runs[1])
    page.get_by_role("button", name=f"Try, step {STEPS // 2}").click()
    chosen = page.locator("#play-model input")
    until(lambda: chosen.input_value() == name, what="the checkpoint in the playground")
    asked = httpx.post(f"{server.url}/api/sample", json={"model": name, "prompt": "12"}, timeout=60).json()
    path = f"{server.url}/api/samples/{asked['request']}/file"
    until(lambda: '"type":"end"' in httpx.get(path, timeout=30).text, seconds=120, what="its answer")


def test_where_a_run_came_from_and_what_came_of_it_are_links(page: Any, runs: list[str], server: PageServer):
    source = {"path": f"run:{runs[1]}/checkpoint-{STEPS // 2}"}
    child = start(server, tiny("Child", 5, model=source, queue={"hold": True}))
    page.evaluate("(id) => window.studio.open('jobs', {run: id})", child)
    lineage = page.locator(".lineage")
    lineage.get_by_text(f"step {STEPS // 2}").wait_for()
    lineage.get_by_role("link", name="Zoom 8").click()
    page.locator(".runhead h1", has_text="Zoom 8").wait_for()
    lineage.get_by_role("link", name="Child").first.click()
    page.locator(".runhead h1", has_text="Child").wait_for()
    page.go_back()
    page.locator(".runhead h1", has_text="Zoom 8").wait_for()


def test_the_last_runs_panels_do_not_come_after_all(page: Any, runs: list[str]):
    late: list[Any] = []
    for name in ("relatives", "checkpoints"):
        page.route(f"**/api/jobs/{runs[0]}/{name}", lambda route: late.append(route))
    page.evaluate("(id) => window.studio.open('jobs', {run: id})", runs[0])
    until(lambda: page.title() and len(late) == 2, what="two questions about the first run")
    page.evaluate("(id) => window.studio.open('jobs', {run: id})", runs[1])
    page.get_by_role("button", name=f"Try, step {STEPS}").wait_for()
    for route in late:
        with page.expect_response(route.request.url):
            route.fulfill(json={"parents": [], "children": [], "data": [], "checkpoints": []})
    page.wait_for_timeout(300)  # it would be drawn by then
    page.get_by_role("button", name=f"Try, step {STEPS}").wait_for()


def test_the_noise_levels_share_the_cursor_of_the_charts(page: Any):
    levels = page.locator(".levels svg")
    levels.locator("rect.h0").first.wait_for()
    levels.focus()
    levels.press("ArrowRight")
    page.locator(".chart:not(.levels) svg line.cur").first.wait_for(state="attached")
    page.locator(".levels .chart-tip", has_text="% masked").wait_for()
    levels.press("Escape")
    page.locator(".chart:not(.levels) svg line.cur").first.wait_for(state="detached")
    page.locator(".chart", has_text="Training loss").locator("svg").hover()
    levels.locator("rect.here").wait_for()


def test_each_loss_has_its_own_smoothing_and_scale(page: Any):
    chart = page.locator(".chart", has_text="Validation loss").first
    chart.get_by_role("radio", name="0.9").click()
    chart.locator("path.l0").wait_for(state="attached")
    chart.get_by_role("radio", name="Log").click()
    other = page.locator(".chart", has_text="Training loss").first.get_by_role("radio", name="Linear")
    assert other.get_attribute("aria-checked") == "true"


@pytest.mark.thorough
def test_a_zoomed_run_keeps_its_stretch_or_follows_and_marks_its_attempts(open_tab: Open, server: PageServer):
    job = start(server, tiny("Growing", 100_000, report={"log_every": 5}))
    page = open_tab("jobs")
    page.evaluate("(id) => window.studio.open('jobs', {run: id})", job)
    until(lambda: curve_step(page) >= 20, seconds=120, what="a curve")
    httpx.post(f"{server.url}/api/jobs/{job}/stop", timeout=30).raise_for_status()
    until(lambda: state(server, job) == "stopped", seconds=120, what="its stop")
    httpx.post(f"{server.url}/api/jobs/{job}/resume", timeout=30).raise_for_status()
    page.locator(".chart line.try").first.wait_for(state="attached")
    loss = page.locator(".chart", has_text="Training loss").first.locator("svg")
    loss.focus()
    loss.press("ArrowRight")
    page.keyboard.down("Shift")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.up("Shift")
    stretch = page.locator(".closer span").first
    stretch.wait_for()
    before, reached = stretch.inner_text(), step(server, job)
    until(lambda: step(server, job) > reached + 20, seconds=120, what="more steps")
    assert stretch.inner_text() == before, "it stays where it was put"
    page.get_by_role("button", name="Follow the newest").click()
    until(lambda: stretch.inner_text() != before, seconds=60, what="a stretch that moves")
    page.get_by_role("button", name="Show all steps").click()
    page.get_by_text("To look closer").wait_for()
    httpx.post(f"{server.url}/api/jobs/{job}/stop", timeout=30).raise_for_status()


def test_older_parts_of_the_log_come_on_scrolling_up(open_tab: Open, server: PageServer):
    job = start(server, tiny("Long log", 5, queue={"hold": True}))
    folder = RunFolder(server.home / "runs" / job)
    lines = [f"12:00:00 line {n} \u4e2d " + "x" * 60 for n in range(4000)]
    folder.new_attempt().log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    page = open_tab("jobs")
    page.evaluate("(id) => window.studio.open('jobs', {run: id})", job)
    log = page.locator(".log")
    log.get_by_text("line 3999 ").wait_for()
    search, none = page.get_by_label("Find in log"), page.get_by_text("No line matches.")
    search.fill("nowhere")
    none.wait_for()
    with folder.attempt(1).log.open("a", encoding="utf-8") as more:
        more.write("one more\n")
    log.get_by_text("one more").wait_for(state="attached")
    assert none.is_visible(), "a new line that does not match changes nothing"
    search.fill("")
    none.wait_for(state="hidden")
    lines.append("one more")
    first = "document.querySelector('.log').firstChild.textContent"
    count = page.evaluate("document.querySelectorAll('.log > div').length")
    seen = page.evaluate(first)
    log.evaluate("(node) => (node.scrollTop = 30)")
    until(lambda: page.evaluate("document.querySelectorAll('.log > div').length") > count, what="older lines")
    place = log.evaluate(
        """(node, text) => { const line = [...node.children].find((one) => one.textContent === text);
        return line.getBoundingClientRect().top - node.getBoundingClientRect().top; }""",
        seen,
    )
    assert -60 < place < 60, "what is read stays in its place"
    older = page.get_by_role("button", name="Show what is older")
    while older.is_visible():
        older.click()
        page.wait_for_timeout(200)
    assert log.locator("div").all_text_contents() == lines, "each line once"


@pytest.mark.parametrize(("size", "dark"), [(PHONE, False), ((1440, 1000), True)])
def test_nothing_serious_for_axe_and_nothing_wider_than_the_page(
    open_tab: Open, runs: list[str], size: tuple[int, int], dark: bool
):
    page = open_tab("jobs", size=size, dark=dark)
    page.evaluate("(id) => window.studio.open('jobs', {run: id})", runs[1])
    page.locator(".checkpoints tbody tr").first.wait_for()
    page.locator(".lineage li").first.wait_for()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
