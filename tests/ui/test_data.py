"""The Data tab: data is checked and seen as the model sees it, mended into a version, and trained on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.browser import DESKTOP, PHONE, PageServer

Open = Callable[..., Any]
GOOD = [
    {
        "messages": [
            {"role": "user", "content": f"Tell me {n}."},
            {"role": "assistant", "content": "Finn. " * n},
        ]
    }
    for n in range(1, 9)
]


@pytest.fixture
def sums(server: PageServer) -> str:
    """The name of a data set with one broken line."""
    folder = server.home / "datasets"
    folder.mkdir(exist_ok=True)
    lines = [json.dumps(row) for row in GOOD]
    lines[2] = '{"messages": ['
    (folder / "mixed.jsonl").write_text("\n".join(lines))
    for old in folder.glob("mixed-v*"):
        old.unlink()
    return "mixed"


def choose(page: Any, name: str) -> None:
    source = page.locator("#data-source")
    source.fill(name)
    source.press("Enter")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_rows_are_seen_as_the_model_sees_them(open_tab: Open, size: tuple[int, int]):
    page = open_tab("data", size=size)
    picture = page.locator("#data-picture")
    picture.locator(".k.answer.masked").first.wait_for()
    assert picture.locator(".k.prompt").count() and not picture.locator(".k.prompt.masked").count()
    legend = picture.locator(".legend")
    legend.get_by_text("answer, masked").wait_for()
    page.locator("#data-level").fill("1")
    page.wait_for_function("() => !document.querySelector('#data-picture .k.answer:not(.masked)')")
    page.locator("#data-objective").select_option("bd3lm")
    legend.get_by_text("block of 32").wait_for()
    picture.get_by_text("the clean blocks before it").wait_for()
    page.locator("#data-objective").select_option("ddm")
    page.locator("#data-step").wait_for()
    opened = picture.locator(".attention rect").count()
    page.locator("#data-step").fill("0")
    page.locator("#data-step").press("Tab")
    page.wait_for_function(
        "(n) => document.querySelectorAll('#data-picture .attention rect').length < n", arg=opened
    )  # causal at the first step
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for control in page.locator(".data-desk .ctl:visible").all():
        assert control.locator(".help").text_content()


def test_bad_rows_are_told_mended_in_a_version_and_trained_on(open_tab: Open, sums: str, server: PageServer):
    page = open_tab("data")
    page.locator("#data-rows .row-card").first.wait_for()
    choose(page, sums)
    check = page.locator("#data-check")
    check.get_by_text("mixed.jsonl, line 3: broken JSON").wait_for()
    page.locator("#data-bad").check()
    rows = page.locator("#data-rows .row-card")
    page.get_by_label("mixed.jsonl, line 3").wait_for()
    page.wait_for_function("document.querySelectorAll('#data-rows .row-card').length === 1")
    rows.first.get_by_role("button", name="Edit").click()
    rows.first.locator("textarea").fill(json.dumps(GOOD[2]))
    rows.first.get_by_role("button", name="Keep the edit").click()
    page.locator("#data-bad").uncheck()
    page.locator("#data-search").fill("Tell me 5.")
    page.get_by_label("mixed.jsonl, line 5").get_by_role("button", name="Leave out").click()
    page.get_by_text("1 edited, 1 left out").wait_for()
    page.locator("#data-version-make").click()
    page.locator("#data-versions").get_by_text("1 edited, 1 left out").wait_for()
    lineage = page.locator("#data-versions .lineage")
    assert lineage.locator("b").all_inner_texts() == ["mixed-v2", "mixed.jsonl"]
    written = Path(server.home, "datasets", "mixed-v2.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in written] == [row for n, row in enumerate(GOOD) if n != 4]
    assert len(Path(server.home, "datasets", "mixed.jsonl").read_text().splitlines()) == 8
    page.get_by_text("7 rows, all good").wait_for()
    page.locator("#data-train").click()
    page.locator("#train-review").get_by_text("mixed-v2").wait_for()


def test_the_decision_about_bad_rows_goes_to_the_training(open_tab: Open, sums: str):
    page = open_tab("data")
    page.locator("#data-rows .row-card").first.wait_for()
    choose(page, sums)
    page.locator("#data-check").get_by_role("radio", name="Quarantine").click()
    page.get_by_text("written to a file of the run").wait_for()
    page.locator("#data-train").click()
    page.locator("#train-review").get_by_text("on_bad_rows: quarantine").wait_for()


def test_columns_of_other_names_are_read_and_go_to_the_training(open_tab: Open, server: PageServer):
    folder = server.home / "datasets"
    folder.mkdir(exist_ok=True)
    lines = [json.dumps({"question": f"Who is {n}?", "reply": "Finn."}) for n in range(5)]
    (folder / "odd.jsonl").write_text("\n".join(lines))
    page = open_tab("data", refused="/api/data/preview")
    page.locator("#data-rows .row-card").first.wait_for()
    choose(page, "odd")
    page.locator("#data-check").get_by_text("no known form", exact=True).wait_for()
    columns = page.locator("#data-reading-columns")  # folded out, for it is what helps here
    columns.fill("prompt question")
    columns.press("Enter")
    page.get_by_text("is no pair; write prompt: question").wait_for()
    columns.fill("prompt: question, completion: reply")
    columns.press("Enter")
    page.get_by_text("5 rows, all good").wait_for()
    written = page.locator("#data-written")
    written.get_by_text("written by the model's own chat template").wait_for()
    assert "Who is 0?" in written.locator("pre").inner_text()
    page.locator("#data-train").click()
    page.locator("#train-review").get_by_text("completion: reply").wait_for()


def test_options_of_a_builder_change_its_rows_and_go_to_the_training(open_tab: Open):
    page = open_tab("data")
    page.locator("#data-rows .row-card").first.wait_for()
    choose(page, "addition")
    options = page.locator("#data-options")
    options.get_by_text("Digits of each number").wait_for()
    page.locator("#data-option-rows").fill("300")
    page.locator("#data-option-rows").press("Enter")
    page.get_by_text("300 rows, all good").wait_for()
    page.locator("#data-train").click()
    page.locator("#train-review").get_by_text("rows: 300").wait_for()


def test_data_is_prepared_looked_at_and_trained_on(open_tab: Open, sums: str):
    page = open_tab("data")
    page.locator("#data-rows .row-card").first.wait_for()
    choose(page, sums)
    page.locator("#data-check").get_by_role("radio", name="Skip").click()
    page.locator("#data-prepare").click()
    told = page.locator("#data-prepared")
    told.get_by_text("sequences with").wait_for()
    told.get_by_text("bad row").wait_for()
    told.get_by_role("button", name="Look at it").click()
    page.get_by_text("rows, all good").wait_for()
    assert page.locator("#data-prepare").is_disabled()
    told.get_by_role("button", name="Train on it").click()
    page.locator("#train-review").get_by_text("path: run:prepare-").wait_for()


def test_a_data_set_that_is_not_there_is_a_sentence(open_tab: Open):
    page = open_tab("data", refused="/api/data/")
    page.locator("#data-rows .row-card").first.wait_for()
    with page.expect_response(lambda r: "/api/data/check" in r.url):
        choose(page, "nowhere")
    page.locator("#data-check .note.bad").get_by_text("nowhere").wait_for()
