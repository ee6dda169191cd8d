"""The list of jobs when it is long: found, paged, selected and acted on, groups folded; clean-up."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert

from backend.store import Store
from backend.store.tables import jobs
from tests.fakes.browser import PHONE, PageServer
from tests.fakes.page_runs import start, tiny
from tests.fakes.processes import until
from tests.fakes.studio import job_row
from tests.ui.test_accessibility import violations
from tests.ui.test_jobs import row

pytestmark = pytest.mark.thorough

Open = Callable[..., Any]
MANY = 10_000
XSS = "<img src=x onerror='window.hacked=1'>"
SLOW = 120_000


def finished(number: int) -> dict[str, Any]:
    """A row of the seeded database. Every tenth is tagged, every hundredth failed; 41 to 60 are a sweep."""
    columns: dict[str, Any] = {
        "created_at": 1e9 + number,
        "ended_at": 1e9 + number,
        "started_at": 1e9 + number,
    }
    columns |= {"name": XSS if number % 100 == 7 else f"Run {number}", "model": "stories", "attempt": 1}
    columns |= {"tags": json.dumps(["paper"] if number % 10 == 0 else [])}
    if number % 100 == 0:
        columns |= {"state": "failed", "reason": "Out of memory."}
    if 41 <= number <= 60:
        columns |= {
            "group": "sweep-0001",
            "place": f"seed={number}",
            "latest": json.dumps({"loss": 1 / number}),
        }
    return job_row(f"train-{number:05d}", **columns)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A studio with a long past."""
    home = Path(tmp_path_factory.mktemp("crowded")) / "home"
    store = Store(home)
    rows = [finished(number) for number in range(1, MANY + 1)]
    with store.write() as conn:
        for same in {tuple(sorted(row)) for row in rows}:  # one statement for rows of the same columns
            conn.execute(insert(jobs), [row for row in rows if tuple(sorted(row)) == same])
    store.close()
    started = PageServer(home)
    yield started
    started.end()


def listed(page: Any) -> list[str]:
    return page.locator("tr[data-job]").evaluate_all("rows => rows.map((row) => row.dataset.job)")


def box(page: Any, key: str) -> Any:
    return page.locator(f'input[data-key="{key}"]')


def bulk(page: Any) -> Any:
    return page.get_by_role("region", name="Selected jobs")


def found(page: Any, count: str) -> None:
    """Wait until the list says how long it is."""
    page.get_by_role("radio", name=f"All {count}", exact=True).wait_for()


def test_ten_thousand_are_paged_searched_and_kept_in_the_address(open_tab: Open, server: PageServer):
    page = open_tab("jobs")
    found(page, "10,000")
    row(page, "train-10000").wait_for()
    assert len(listed(page)) == 100
    page.get_by_role("button", name="Load more").scroll_into_view_if_needed()
    until(lambda: len(listed(page)) >= 200, what="the next page")
    page.get_by_label("Search jobs").fill("run 9998")
    until(lambda: listed(page) == ["train-09998"], what="what was searched for")
    page.reload()
    until(lambda: listed(page) == ["train-09998"], what="the same after a reload")
    assert page.get_by_label("Search jobs").input_value() == "run 9998"
    page.get_by_label("Search jobs").fill("")
    page.get_by_role("radio", name=re.compile("^Ended")).click()
    row(page, "train-10000").get_by_role("button", name="paper").click()
    found(page, "1,000")
    assert "tag=paper" in page.url and "state=ended" in page.url
    page.get_by_role("button", name="Without paper").click()
    found(page, "10,000")
    page.go_back()
    found(page, "1,000")
    page.get_by_label("Search jobs").fill("nothing like this")
    page.get_by_role("button", name="Clear filters").click()
    found(page, "10,000")
    assert page.evaluate("window.hacked") is None


def test_rows_are_selected_by_range_keys_and_all_that_match(open_tab: Open, server: PageServer):
    page = open_tab("jobs")
    page.goto(f"{server.url}/?tab=jobs&search=paper&order=newest")
    found(page, "1,000")
    box(page, "train-10000").check()
    box(page, "train-09970").click(modifiers=["Shift"])
    bulk(page).get_by_text("4 jobs selected").wait_for()
    bulk(page).get_by_role("button", name="Select none").click()
    box(page, "train-09990").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    bulk(page).get_by_text("3 jobs selected").wait_for()
    assert box(page, "train-09970").evaluate("node => node === document.activeElement")
    bulk(page).get_by_role("button", name="Select all 1,000 that match").click()
    bulk(page).get_by_text("1,000 jobs selected").wait_for()
    bulk(page).get_by_role("button", name="Resume 100").wait_for()
    assert bulk(page).get_by_role("button", name="Stop").is_disabled()
    assert violations(page) == []
    page.get_by_label("Search jobs").fill("run 9998")
    bulk(page).wait_for(state="hidden")


def test_what_two_pages_delete_at_once_is_told_to_the_later(open_tab: Open, server: PageServer):
    pages = [open_tab("jobs") for _ in range(2)]
    for page in pages:
        page.goto(f"{server.url}/?tab=jobs&search=run+12&order=oldest")
        row(page, "train-00012").wait_for()
        box(page, "train-00012").check()
    box(pages[1], "train-00121").check()
    for page in pages:  # both ask before either is answered
        bulk(page).get_by_role("button", name=re.compile("^Delete")).click()
        page.get_by_role("dialog").get_by_text("go for good").wait_for()
    pages[0].get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    pages[0].get_by_text("Jobs deleted: 1").wait_for()
    row(pages[0], "train-00012").wait_for(state="detached")
    pages[1].get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    refusals = pages[1].get_by_label("Refusals")
    refusals.get_by_text("There is no job 'train-00012'").wait_for()
    pages[1].get_by_text("Jobs deleted: 1").wait_for()
    pages[1].get_by_role("dialog").get_by_role("button", name="Close").last.click()
    row(pages[1], "train-00121").wait_for(state="detached")


def test_a_thousand_are_tagged_and_one_by_one_untagged(open_tab: Open, server: PageServer):
    """The folders of the seeded rows are not there: every refusal is told."""
    page = open_tab("jobs")
    page.goto(f"{server.url}/?tab=jobs&search=paper")
    found(page, "1,000")
    page.get_by_label("Select all shown").check()
    bulk(page).get_by_role("button", name=re.compile("^Select all 1,000")).click()
    bulk(page).get_by_text("1,000 jobs selected").wait_for()
    bulk(page).get_by_role("button", name="Tag").click()
    page.get_by_label("Put on").fill("v2")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    page.get_by_text("Not done: 1,000").wait_for()
    page.get_by_label("Refusals").get_by_text("and 800 more").wait_for()
    page.keyboard.press("Escape")
    bulk(page).get_by_text("1,000 jobs selected").wait_for()


def test_what_goes_on_in_a_dialog_is_not_closed_over(open_tab: Open, server: PageServer):
    page = open_tab("jobs")
    page.goto(f"{server.url}/?tab=jobs&search=run+9970")
    box(page, "train-09970").check()
    waiting: list[Any] = []
    page.route("**/api/jobs/bulk", lambda route: waiting.append(route))
    bulk(page).get_by_role("button", name=re.compile("^Delete")).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Delete", exact=True).click()
    until(lambda: page.title() and waiting, what="the request")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    assert dialog.get_by_role("button", name="Not the rest").is_visible()
    waiting[0].fulfill(json={"done": [], "refused": [{"id": "train-09970", "why": "It is needed."}]})
    dialog.get_by_text("It is needed.").wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")


def test_a_sweep_is_one_row_unfolded_run_again_and_opened_by_its_address(open_tab: Open, server: PageServer):
    grid = {"optimisation.seed": [1, 2]}
    sweep = {"kind": "sweep", "name": "Two seeds", "base": tiny("", 2, queue={"hold": True}), "grid": grid}
    reply = httpx.post(f"{server.url}/api/groups", json={"spec": sweep}, timeout=60)
    group, members = reply.json()["id"], [job["id"] for job in reply.json()["jobs"]]
    page = open_tab("jobs")
    line = page.locator(f'tr[data-group="{group}"]')
    line.get_by_text("2 queued").wait_for()
    assert not row(page, members[0]).is_visible()
    line.get_by_role("button", name="Two seeds", exact=True).click()
    row(page, members[1]).wait_for()
    box(page, group).check()
    bulk(page).get_by_role("button", name="Release 2").click()
    line.get_by_text("2 done").wait_for(timeout=SLOW)
    line.get_by_text("Best").wait_for()
    page.goto(f"{server.url}/?tab=jobs&group=sweep-0001")
    row(page, "train-00060").wait_for()
    assert page.locator("tr[data-group]").count() == 1
    page.get_by_role("button", name="Without sweep-0001").click()
    page.locator(f'tr[data-group="{group}"]').wait_for()


def test_what_failed_of_a_sweep_is_run_again(open_tab: Open, server: PageServer):
    grid = {"optimisation.seed": [1, 2]}
    sweep = {"kind": "sweep", "name": "Stopped", "base": tiny("", 2, queue={"hold": True}), "grid": grid}
    group = httpx.post(f"{server.url}/api/groups", json={"spec": sweep}, timeout=60).json()["id"]
    page = open_tab("jobs")
    line = page.locator(f'tr[data-group="{group}"]')
    line.get_by_role("button", name="Stop all").click()
    line.get_by_text("Stop all that have not ended (2)?").wait_for()
    assert line.locator("td.n").bounding_box()["width"] > 100, "the question leaves room for the name"
    line.get_by_role("button", name="Stop all").click()
    line.get_by_text("2 stopped").wait_for()
    line.get_by_role("button", name="Rerun failed").click()
    line.get_by_text("2 done").wait_for(timeout=SLOW)
    line.get_by_role("link", name="Compare Stopped").click()
    page.wait_for_url(f"**tab=compare*group={group}*")


def test_priority_and_tags_are_changed_in_the_list(open_tab: Open, server: PageServer):
    first, second = (start(server, tiny(name, 2, queue={"hold": True})) for name in ("First", "Second"))
    page = open_tab("jobs", refused="/api/jobs")
    row(page, second).get_by_role("button", name=re.compile("^More about")).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Priority").fill("7")
    dialog.get_by_label("Tags").fill("two words?")
    dialog.get_by_role("button", name="Save").click()
    dialog.get_by_text("'words?' is no tag").wait_for()
    dialog.get_by_label("Tags").fill("soon")
    dialog.get_by_role("button", name="Save").click()
    dialog.wait_for(state="detached")
    row(page, second).get_by_text("priority 7").wait_for()
    row(page, second).get_by_role("button", name="soon").wait_for()
    until(lambda: listed(page)[:2] == [second, first], what="the other order")
    for job in (first, second):
        httpx.post(f"{server.url}/api/jobs/{job}/stop", timeout=30)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_old_runs_are_cleared_away_from_the_list_and_from_home(
    open_tab: Open, server: PageServer, dark: bool
):
    job = start(server, tiny(f"Old {dark}", 2))
    until(lambda: httpx.get(f"{server.url}/api/jobs/{job}").json()["state"] == "succeeded", 120, "its end")
    page = open_tab("home" if dark else "jobs", dark=dark)
    page.get_by_role("button", name="Clean up").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Runs", exact=False).first.select_option("0")
    dialog.get_by_role("button", name="Show what would go").click()
    dialog.get_by_role("region", name="What would go").get_by_text(job).wait_for()
    dialog.get_by_text("What stays for a reason").click()
    dialog.get_by_text("does not look like a folder that the studio made").first.wait_for()
    assert violations(page) == []
    dialog.get_by_role("button", name=re.compile("^Delete all")).click()
    dialog.get_by_role("button", name="Keep").click()
    dialog.get_by_role("button", name=re.compile("^Delete all")).click()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_text("are free again").first.wait_for()
    assert httpx.get(f"{server.url}/api/jobs/{job}").status_code == 404


def test_the_list_fits_a_phone(open_tab: Open, server: PageServer):
    page = open_tab("jobs", size=PHONE)
    row(page, "train-10000").wait_for()
    box(page, "train-10000").check()
    bulk(page).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    bulk(page).get_by_role("button", name=re.compile("^Delete")).click()
    page.get_by_role("dialog").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    assert violations(page) == []
