"""Runs side by side: chosen, laid over each other, sorted, grouped, brushed, linked to, and gone."""

import re
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import httpx
import pytest

from tests.fakes.browser import PHONE, PageServer
from tests.fakes.page_runs import start, tiny
from tests.fakes.processes import until
from tests.ui.test_accessibility import violations

pytestmark = pytest.mark.thorough

Open = Callable[..., Any]
XSS = "<img src=x onerror='window.hacked=1'>"
STEPS = 40
DATA = {"builder": "sudoku", "options": {"size": 4, "rows": 64}, "format": "text", "max_length": 16}
RATES = [1e-4, 1e-3, 1e-2]


def small(name: str, **changes: Any) -> dict[str, Any]:
    """A training of some steps, validated on the way."""
    told = {"data": {**DATA, "validation": 0.25}, "report": {"log_every": 5, "evaluate_every": 10}, **changes}
    return tiny(name, STEPS, **told)


def ended(server: PageServer, jobs: list[str]) -> None:
    def states() -> set[str]:
        return {httpx.get(f"{server.url}/api/jobs/{job}", timeout=30).json()["state"] for job in jobs}

    until(lambda: not states() & {"queued", "starting", "running"}, seconds=280, what="the end of the runs")
    assert states() <= {"succeeded", "failed"}


@pytest.fixture(scope="module")
def pair(server: PageServer) -> list[str]:
    """Two trainings that differ in their batches; the second one has a hostile name and no validation."""
    larger = {"steps": STEPS, "batch_size": 8}
    jobs = [
        start(server, small("Overlay")),
        start(server, small(XSS, optimisation=larger, data={**DATA, "validation": 0})),
    ]
    ended(server, jobs)
    return jobs


@pytest.fixture(scope="module")
def sweep(server: PageServer) -> str:
    """Three learning rates with two seeds each."""
    grid = {"optimisation.learning_rate": RATES, "optimisation.seed": [1, 2]}
    spec = {"kind": "sweep", "name": "Rates", "base": small("Rates"), "grid": grid}
    made = httpx.post(f"{server.url}/api/groups", json={"spec": spec}, timeout=60).json()
    ended(server, [job["id"] for job in made["jobs"]])
    return made["id"]


def comparison(server: PageServer, **query: str) -> dict[str, Any]:
    return httpx.get(f"{server.url}/api/compare", params=query, timeout=30).json()


def go(page: Any, **query: str) -> None:
    """Another comparison, as a link within the page opens it."""
    page.evaluate("(query) => window.studio.open('compare', query)", {"runs": None, "group": None, **query})


def curves(page: Any, title: str) -> Any:
    """The lines of a chart."""
    return page.locator(".curves .chart", has_text=title).locator("svg[role=img] path.run:not(.raw)")


def rows(page: Any) -> Any:
    return page.locator("table.runs tbody tr")


def opened(page: Any, ids: list[str]) -> Any:
    go(page, runs=",".join(ids))
    page.locator(f'tr[data-run="{ids[0]}"]').wait_for()
    return page


def test_runs_are_searched_and_chosen_by_keyboard(open_tab: Open, pair: list[str]):
    page = open_tab("compare")
    page.get_by_text("No runs chosen yet").wait_for()
    box = page.get_by_role("combobox", name="Add a run")
    for name, number in (("Overlay", pair[0]), ("onerror", pair[1])):
        box.fill(name)
        option = page.get_by_role("option", name=number.replace("-", " "))
        option.wait_for()
        while option.get_attribute("aria-selected") != "true":
            box.press("ArrowDown")
        box.press("Enter")
        page.locator(f'tr[data-run="{number}"]').wait_for()
    assert f"runs={pair[0]}%2C{pair[1]}" in page.url
    page.go_back()
    until(lambda: rows(page).count() == 1, what="one run again")
    page.reload()
    page.locator(f'tr[data-run="{pair[0]}"]').wait_for()
    assert rows(page).count() == 1


def test_a_press_that_becomes_a_scroll_chooses_nothing(open_tab: Open, pair: list[str]):
    page = open_tab("compare")
    page.get_by_role("combobox", name="Add a run").focus()
    option = page.get_by_role("option", name=pair[0].replace("-", " "))
    option.hover()
    page.mouse.down()
    page.mouse.move(5, 5)
    page.mouse.up()
    assert option.is_visible() and "runs=" not in page.url
    option.click()
    page.wait_for_url(f"**runs={pair[0]}*")


def test_two_runs_are_laid_over_each_other_and_one_is_hidden(open_tab: Open, pair: list[str]):
    page = opened(open_tab("compare"), pair)
    until(lambda: curves(page, "Training loss").count() == 2, what="two curves")
    looks = [curves(page, "Training loss").nth(i).get_attribute("class") for i in (0, 1)]
    assert len({re.findall(r"\bs\d", look)[0] for look in looks}) == 2, "two colours"
    assert len({re.findall(r"\bd\d", look)[0] for look in looks}) == 2, "and two dashes"
    figures = page.get_by_role("group", name="Figures")
    assert figures.get_by_role("button", name="Validation loss").count() == 0, "only one of them has it"
    chart = page.locator(".curves .chart svg").first
    chart.hover()
    told = page.locator(".curves .chart-tip").first
    assert {job.replace("-", " ") for job in pair} <= set(re.findall(r"train \d+", told.inner_text()))
    hide = page.locator(".chosen-runs .pick").first
    hide.click()
    until(lambda: curves(page, "Training loss").count() == 1, what="the other curve alone")
    assert hide.get_attribute("aria-pressed") == "false" and rows(page).count() == 2
    assert page.locator(".table tbody").get_by_text("optimisation.batch_size").count() == 0
    assert page.get_by_role("columnheader", name="optimisation.batch_size").is_visible()
    assert page.evaluate("window.hacked") is None


def test_other_figures_and_axes(open_tab: Open, server: PageServer, pair: list[str]):
    page = opened(open_tab("compare"), pair)
    page.get_by_role("button", name="Learning rate").click()
    until(lambda: curves(page, "Learning rate").count() == 2, what="two curves of the rate")
    page.get_by_role("radio", name="Tokens", exact=True).click()
    chart = page.locator(".curves .chart", has_text="Training loss")
    chart.get_by_text(re.compile("tokens$")).wait_for()
    metrics = httpx.get(f"{server.url}/api/jobs/{pair[1]}/metrics", timeout=30).json()["metrics"]
    cells = int(metrics["tokens_seen"][-1][1])  # of the run with the larger batches
    assert STEPS * 4 * 16 < cells <= STEPS * 8 * 16
    told = chart.locator("svg").get_attribute("aria-label")
    assert f"{cells:,} tokens" in told, told
    page.get_by_role("radio", name="Time", exact=True).click()
    until(lambda: "of training" in chart.locator("svg").get_attribute("aria-label"), what="an axis of time")


def test_a_stretch_is_looked_at_in_all_charts(open_tab: Open, pair: list[str]):
    page = opened(open_tab("compare"), pair)
    page.get_by_role("button", name="Learning rate").click()
    until(lambda: curves(page, "Learning rate").count() == 2, what="two charts")
    svg = page.locator(".curves .chart svg").first
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 60, steps=4)
    page.mouse.up()
    page.get_by_text(re.compile(r"^Steps \d+ to \d+$")).wait_for()
    page.get_by_role("button", name="Show all", exact=True).click()
    page.get_by_text("To look closer").wait_for()


def test_a_sweep_is_sorted_grouped_and_saved(open_tab: Open, server: PageServer, sweep: str):
    page = open_tab("compare")
    go(page, group=sweep)
    until(lambda: rows(page).count() == 6, what="the table")
    found = {row["job"]: row for row in comparison(server, group=sweep)["rows"]}
    best = sorted(found, key=lambda job: found[job]["results"]["best_validation_loss"])

    def shown() -> list[str]:
        return [rows(page).nth(i).get_attribute("data-run") for i in range(6)]

    until(lambda: shown() == best, what="the best first")
    page.get_by_role("button", name="Best validation loss").click()
    until(lambda: shown() == best[::-1], what="the worst first")
    assert page.locator('th[aria-sort="descending"]').count() == 1
    page.get_by_label("Group by").select_option("optimisation.learning_rate")
    line = page.locator("table.groups tbody tr", has=page.get_by_text("0.01", exact=True))
    line.wait_for()
    losses = [
        row["results"]["best_validation_loss"]
        for row in found.values()
        if row["settings"]["optimisation.learning_rate"] == RATES[2]
    ]
    middle, spread = (
        float(text) for text in line.locator("td").nth(1).inner_text().replace(",", "").split(" ± ")
    )
    assert middle == pytest.approx(mean(losses), rel=0.01) and spread == pytest.approx(
        stdev(losses), rel=0.02
    )
    page.reload()
    page.locator("table.groups").wait_for()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV").click()
    lines = saved.value.path().read_text().splitlines()
    assert len(lines) == 7 and "optimisation.learning_rate" in lines[0]


def test_parallel_coordinates_are_brushed_by_keyboard_and_mouse(open_tab: Open, sweep: str):
    page = open_tab("compare")
    go(page, group=sweep)
    low = page.get_by_role("slider", name="learning_rate, lowest that is kept")
    low.wait_for()
    assert page.locator(".axes path.run").count() == 6
    low.focus()
    page.keyboard.press("ArrowUp")
    page.get_by_text("4 of 6 runs in the chosen ranges").wait_for()
    until(lambda: rows(page).count() == 4, what="the table of the range")
    until(lambda: curves(page, "Training loss").count() == 4, what="and its curves")
    assert low.get_attribute("aria-valuetext") == "0.001", "the handle keeps the focus"
    page.keyboard.press("ArrowUp")
    page.get_by_text("2 of 6 runs in the chosen ranges").wait_for()
    page.get_by_role("button", name="Clear ranges").click()
    until(lambda: rows(page).count() == 6, what="all of them")
    lines = page.get_by_role("listbox", name=re.compile("^Runs"))
    lines.focus()
    page.keyboard.press("ArrowDown")
    page.locator(".axes .said", has_text="learning_rate").wait_for()
    assert page.locator(".axes path.hot").count() == 1
    high = page.get_by_role("slider", name="learning_rate, highest that is kept")
    high.scroll_into_view_if_needed()
    box, other = high.bounding_box(), low.bounding_box()
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, other["y"] - 15)
    page.mouse.down()
    page.mouse.move(x, other["y"] + 30, steps=4)
    page.mouse.up()
    page.get_by_text("2 of 6 runs in the chosen ranges").wait_for()


def test_a_range_is_of_values_and_open_where_it_was_not_narrowed(open_tab: Open):
    kept = open_tab("compare").evaluate("""() => {
      const axes = new window.StudioCompareAxes({ choose: () => null, light: () => null });
      const held = (...losses) => {
        const rows = losses.map((loss, rate) => ({ settings: { rate }, results: { loss } }));
        axes.set(rows.map((row, i) => ({ id: `${i}`, row })), ["rate"], "loss");
        return losses.filter((loss, rate) => axes.holds(`${rate}`));
      };
      held(4, 3, 2, 1);
      axes.keep(axes.axes[1], 0, 2);
      return [held(4, 3, 2, 1), held(4, 3, 2, 0.1), held(4, 5, 2, 0.1)];
    }""")
    assert kept == [[3, 2, 1], [3, 2, 0.1], [2, 0.1]]


def test_a_run_that_goes_on_keeps_growing(open_tab: Open, server: PageServer, pair: list[str]):
    endless = start(server, tiny("Endless", 200_000))
    page = opened(open_tab("compare"), [pair[0], endless])

    def last() -> int:
        told = page.locator(".curves .chart svg").first.get_attribute("aria-label") or ""
        found = re.search(r"up to step ([\d,]+)", told)
        return int(found[1].replace(",", "")) if found else 0

    try:
        until(lambda: curves(page, "Training loss").count() == 2, 120, "a first curve of it")
        seen = last()
        until(lambda: last() > max(seen, STEPS), 60, "more steps")
    finally:
        httpx.post(f"{server.url}/api/jobs/{endless}/stop", json={"grace": 1}, timeout=30)
    page.locator(f'tr[data-run="{endless}"] [data-state="stopped"]').wait_for()


def test_a_link_names_what_is_gone(open_tab: Open, server: PageServer, pair: list[str]):
    page = open_tab("compare")
    page.goto(f"{server.url}/?tab=compare&runs={pair[0]},train-9999")
    page.get_by_text("Not here any more, or never was: train-9999").wait_for()
    page.get_by_role("button", name="Take it out").click()
    page.get_by_text("One run. Add another").wait_for()
    assert "9999" not in page.url


def test_a_group_that_is_gone_is_said(open_tab: Open, server: PageServer):
    page = open_tab("compare", refused="/api/compare")
    page.goto(f"{server.url}/?tab=compare&group=sweep-9999")
    page.get_by_role("alert").get_by_text("no pipeline or sweep 'sweep-9999'").wait_for()


def test_a_job_without_figures_is_in_the_table_only(
    open_tab: Open, server: PageServer, pair: list[str], tmp_path: Path
):
    donor = tmp_path / "donor"
    donor.mkdir()
    (donor / "config.json").write_text('{"model_type": "gpt2"}')
    bare = start(server, {"kind": "convert", "source": str(donor)})
    ended(server, [bare])
    page = opened(open_tab("compare"), [pair[0], bare])
    page.get_by_text(f"Without figures, so in the table only: {bare.replace('-', ' ')}").wait_for()
    assert rows(page).count() == 2 and page.get_by_role("columnheader", name="kind").count() == 1
    go(page, runs=bare)
    page.get_by_text("None of these runs has figures yet").wait_for()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious_in_a_comparison(open_tab: Open, sweep: str, dark: bool):
    page = open_tab("compare", dark=dark)
    go(page, group=sweep, by="optimisation.learning_rate")
    until(lambda: curves(page, "Training loss").count() == 6, what="curves")
    page.get_by_role("button", name="All settings").click()
    page.get_by_role("combobox", name="Add a run").focus()
    page.get_by_role("option").first.wait_for()
    assert violations(page) == []


def test_it_fits_a_phone(open_tab: Open, sweep: str):
    page = open_tab("compare", size=PHONE)
    go(page, group=sweep)
    until(lambda: curves(page, "Training loss").count() == 6, what="curves")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    page.get_by_label("Sort by").select_option(label="Sort by Training loss")
    until(lambda: rows(page).first.is_visible(), what="rows as cards")
