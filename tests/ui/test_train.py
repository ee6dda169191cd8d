"""The Train tab in a real browser: recipe, review, problems in sentences, and a run that finishes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.fakes.browser import PHONE, PageServer
from tests.fakes.processes import until as until_within

Open = Callable[..., Any]


def until(condition: Callable[[], Any], what: str, seconds: float = 90) -> Any:
    """The condition's value as soon as it is true; patient, for busy machines."""
    return until_within(condition, seconds, what)


def choose(page: Any, elem_id: str, label: str) -> None:
    """Pick an entry of a dropdown."""
    page.locator(f"#{elem_id} input").click()
    page.get_by_role("option", name=label).click()


def step(page: Any, name: str) -> None:
    """Go to a step of the walk."""
    page.locator(f"#train-steps [data-step={name}]").click()


def spec_of(page: Any) -> dict[str, Any]:
    return yaml.safe_load(page.locator("#train-review pre.yaml").inner_text())


def test_a_recipe_fills_the_form_and_changes_are_marked(open_tab: Open):
    page = open_tab("train")
    page.get_by_text("ready to start").wait_for()
    assert spec_of(page)["optimisation"]["batch_size"] == 64
    assert "jobs.programs.train" in page.locator("#train-review pre.wrap").first.inner_text()
    choose(page, "train-from", "Sudoku 9x9")
    until(lambda: spec_of(page)["model"]["new"]["config"].get("n_embd") != 64, what="the other recipe")
    page.get_by_role("radio", name="Changes (0)").wait_for()
    step(page, "recipe")
    page.locator("#train-optimisation-steps input").fill("77")
    page.get_by_role("radio", name="Changes (1)").click()
    assert "steps: 77" in page.locator("#train-review pre.yaml").inner_text()
    page.locator("#train-optimisation-steps .setting-reset").click()
    page.get_by_role("radio", name="Changes (0)").wait_for()
    assert page.locator("#train-optimisation-steps input").input_value() != "77"


def test_the_walk_goes_on_and_back(open_tab: Open):
    page = open_tab("train")
    for name in ("Data", "Recipe", "Resources", "Review"):
        page.get_by_role("button", name=f"Next: {name}").click()
        assert page.locator("#train-steps [aria-current=step] b").inner_text() == name
    page.locator("#train-step-review").get_by_text("Nothing differs").wait_for()
    page.go_back()
    page.locator("#train-memory").get_by_text("on each device").wait_for()
    page.get_by_text("ready to start").wait_for()
    page.reload()
    page.locator("#train-memory").get_by_text("on each device").wait_for()


def test_a_setting_is_found_by_its_name_or_help(open_tab: Open):
    page = open_tab("train")
    page.locator("#train-search-box").fill("GaLore rank")
    rank = page.locator("#train-optimisation-optimizer-rank")
    rank.wait_for()  # out of a closed fold
    page.locator("#train-search").get_by_text("1 setting").wait_for()
    fold = page.locator(".folded", has=rank).last.locator("> button.label-wrap")
    fold.dispatch_event("click")  # as where the form is drawn anew while one searches
    page.wait_for_timeout(100)
    rank.wait_for()
    fold.click()  # by hand it stays closed
    rank.wait_for(state="hidden")
    fold.click()
    rank.wait_for()
    assert not page.locator("#train-optimisation-steps").is_visible()
    page.locator("#train-search-box").fill("objective bd3lm block_size")
    page.get_by_text("not with the present choices: objective.bd3lm.block_size").wait_for()
    page.locator("#train-search-box").press("Escape")
    page.locator("#train-model-source").wait_for()


def test_the_masks_of_the_chosen_data_are_shown(open_tab: Open):
    page = open_tab("train")
    step(page, "data")
    page.locator("#train-masks .k.masked").first.wait_for()
    page.locator("#train-masks").get_by_text("mdlm, as text").wait_for()


@pytest.mark.thorough
def test_a_link_fills_the_form_and_starts_nothing(open_tab: Open, server: PageServer):
    page = open_tab("train")
    page.locator("#train-name textarea").fill("Größe <b>x</b>")
    until(lambda: spec_of(page)["name"].startswith("Größe"), what="the name in the review")
    page.evaluate(
        "navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }"
    )
    page.locator("#train-review").get_by_role("button", name="Copy link").click()
    link = page.evaluate("window.copied")
    before = len(httpx.get(f"{server.url}/api/jobs").json()["jobs"])
    other = open_tab("models")
    other.goto(link)
    other.locator("#train-note").get_by_text("From a link.").wait_for()
    until(lambda: spec_of(other)["name"] == "Größe <b>x</b>", what="the spec of the link")
    third = open_tab("models")
    third.goto(link[:-9])
    third.get_by_text("The link was cut or changed").first.wait_for()
    assert len(httpx.get(f"{server.url}/api/jobs").json()["jobs"]) == before


def test_a_sweep_says_its_jobs_and_queues_them(open_tab: Open, server: PageServer):
    page = open_tab("train")
    page.locator("#train-name textarea").fill("Swept")
    step(page, "resources")
    page.locator("#train-section-queue > button").click()
    page.locator("#train-queue-hold input").check()
    step(page, "review")
    page.locator("#train-section-sweep > button").click()
    choose(page, "train-sweep-field-1", "optimisation.learning_rate")
    page.locator("#train-sweep-values-1 textarea").fill("1e-3, 1e-3")
    page.locator("#train-sweep-told").get_by_text("stands there twice").wait_for()
    page.locator("#train-sweep-values-1 textarea").fill("1e-3, 3e-3, 1e-2")
    page.locator("#train-sweep-told").get_by_text("3 jobs.").wait_for()
    page.locator("#train-sweep-go").click()
    page.wait_for_url("**group=sweep-*")
    group = httpx.get(f"{server.url}/api/groups").json()["groups"][0]
    assert group["counts"] == {"queued": 3}
    httpx.post(f"{server.url}/api/groups/{group['id']}/stop", json={"grace": 1})


@pytest.mark.thorough
def test_recipes_come_in_groups_and_the_review_estimates(open_tab: Open):
    page = open_tab("train")
    page.get_by_text("ready to start").wait_for()
    page.locator("#train-from-group").get_by_text("Debug size").click()
    choose(page, "train-from", "LLaDA SFT, debug size")
    until(lambda: spec_of(page)["model"]["new"].get("family") == "llada", what="the debug recipe")
    figures = page.locator("#train-review dl.figures")
    figures.get_by_text("Memory on each device, about").wait_for()
    step(page, "recipe")
    page.locator("#train-optimisation-batch-size input").fill("90000000")
    page.locator("#train-review .note.bad").get_by_text("By estimate it needs").wait_for()
    until(page.locator("#train-start").is_disabled, what="Start is off")


def test_a_wrong_value_is_a_sentence_and_nothing_starts(open_tab: Open):
    page = open_tab("train")
    step(page, "recipe")
    page.locator("#train-optimisation-steps input").fill("0")
    page.locator("#train-review .note.bad").get_by_text("greater than or equal to 1").wait_for()
    assert "is-wrong" in page.locator("#train-optimisation-steps").get_attribute("class")
    start = page.locator("#train-start")
    until(start.is_disabled, what="Start is off")
    page.locator("#train-optimisation-steps input").fill("5")
    page.get_by_text("ready to start").wait_for()
    step(page, "data")
    page.locator("#train-data-options textarea").fill("rows: [")
    page.locator("#train-review .note.bad").get_by_text("not valid YAML").wait_for()


def test_start_leads_to_the_job_and_it_finishes(open_tab: Open, server: PageServer):
    page = open_tab("train")
    page.locator("#train-name textarea").fill("From the page")
    page.locator("#train-model-new-config textarea").fill(
        "n_embd: 16\nn_layer: 1\nn_head: 2\nn_positions: 16"
    )
    step(page, "recipe")
    page.locator("#train-optimisation-steps input").fill("6")
    step(page, "data")
    page.locator("#train-data-options textarea").fill("size: 4\nrows: 64")
    until(lambda: spec_of(page)["data"]["options"].get("rows") == 64, what="the review follows")
    page.locator("#train-start").click()
    page.wait_for_url("**run=train-*")
    job = until(lambda: ours(server), what="the job")
    assert page.get_by_role("tab", name="Jobs").get_attribute("aria-selected") == "true"
    assert f"run={job['id']}" in page.url
    assert job["spec"]["optimisation"]["steps"] == 6
    until(lambda: ours(server)["state"] == "succeeded", what="the end of the run", seconds=240)


def ours(server: PageServer) -> dict[str, Any] | None:
    found = httpx.get(f"{server.url}/api/jobs").json()["jobs"]
    mine = [job for job in found if job["name"] == "From the page"]
    return httpx.get(f"{server.url}/api/jobs/{mine[0]['id']}").json() if mine else None


@pytest.mark.thorough
def test_an_own_file_is_loaded_or_refused_with_its_line(open_tab: Open, tmp_path: Path):
    page = open_tab("train")
    good, bad = tmp_path / "mine.yaml", tmp_path / "bad.yaml"
    good.write_text(
        "kind: train\nname: Mine\nmodel: {path: sudoku-9x9}\n"
        "data: {builder: sudoku}\ntuning: {method: lora}\n"
    )
    bad.write_text("kind: train\nmodel: [\n")
    page.locator("#train-upload input[type=file], input[type=file]").first.set_input_files(good)
    until(lambda: spec_of(page).get("name") == "Mine", what="the file in the review")
    assert spec_of(page)["model"] == {"path": "sudoku-9x9"}
    step(page, "recipe")
    page.locator("#train-section-tuning > button").click()
    page.locator("#train-tuning-rank").wait_for()  # LoRA's settings show themselves
    step(page, "model")
    page.locator("#train-upload input[type=file], input[type=file]").first.set_input_files(bad)
    page.get_by_text("your file, line").wait_for()
    assert spec_of(page)["name"] == "Mine"


@pytest.mark.parametrize("tab", ["train", "convert", "models"])
def test_phone_and_dark(open_tab: Open, tab: str):
    page = open_tab(tab, size=PHONE, dark=True)
    page.locator(f"#{tab}-page h1").wait_for()
    until(lambda: page.locator(".frame-bar .badge").is_visible(), what="the status")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 23)"


def test_the_switch_between_light_and_dark_is_kept(open_tab: Open, server: PageServer):
    page = open_tab("models")
    page.locator("#theme-switch").click()
    assert "dark" in page.locator("body").get_attribute("class")
    page.goto(f"{server.url}/?tab=models")
    page.locator("body.dark #theme-switch").wait_for()


def test_train_from_a_listed_model(open_tab: Open):
    page = open_tab("models")
    card = page.locator(".model", has_text="sudoku-9x9")
    card.get_by_role("button", name="Train from it").click()
    until(lambda: page.locator("#train-review pre.yaml").count() == 1, what="the Train tab")
    until(lambda: spec_of(page)["model"] == {"path": "sudoku-9x9"}, what="the model in the form")
