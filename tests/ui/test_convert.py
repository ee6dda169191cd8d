"""The Convert tab: a wrong source is a sentence, a right one says what will happen and starts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.fakes.browser import PageServer
from tests.fakes.processes import until

Open = Callable[..., Any]


def test_a_source_is_judged_and_what_will_happen_is_said(open_tab: Open, tmp_path: Path, server: PageServer):
    page = open_tab("convert")
    source, review = page.locator("#convert-source input"), page.locator("#convert-review")
    assert page.locator("#convert-start").is_disabled()
    source.fill("/nowhere/model")
    source.press("Enter")
    review.locator(".note.bad").get_by_text("/nowhere/model").wait_for()
    folder = tmp_path / "donor"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    source.fill(str(folder))
    source.press("Enter")
    review.get_by_text("ready to start").wait_for()
    page.locator("#convert-mask-token textarea").fill("[MASK]")
    review.locator(".plan").get_by_text("[MASK] becomes the mask token").wait_for()
    assert "jobs.programs.convert" in review.locator("pre.wrap").first.inner_text()
    page.locator("#convert-start").click()
    page.wait_for_url("**run=convert-*")  # this folder has no weights: the job says so, not the page

    def ended() -> dict[str, Any] | None:
        jobs = httpx.get(f"{server.url}/api/jobs?kind=convert").json()["jobs"]
        return jobs[0] if jobs and jobs[0]["state"] == "failed" else None

    assert until(ended, seconds=240, what="the refusal")["reason"]


def test_the_settings_of_formats_are_folded_away_and_reach_the_spec(open_tab: Open, server: PageServer):
    page = open_tab("convert")
    source, review = page.locator("#convert-source input"), page.locator("#convert-review")
    source.fill("stories")
    source.press("Enter")
    review.locator(".plan").get_by_text("diffusion model already").wait_for()
    page.locator("#convert-target label").nth(1).click()
    more = page.locator("#convert-section-more")
    assert not more.locator("#convert-family").is_visible()
    more.get_by_role("button", name="More").click()
    for name, value in {"family": "llada", "layout": "separate", "dtype": "bfloat16"}.items():
        more.locator(f"#convert-{name} input").click()
        page.get_by_role("option", name=value, exact=True).click()
    more.locator("#convert-lora-base textarea").fill("sudoku-9x9")
    spec = review.locator("pre.yaml")
    for line in ("target: official", "family: llada", "layout: separate", "dtype: bfloat16"):
        spec.get_by_text(line).wait_for()
    spec.get_by_text("lora_base: sudoku-9x9").wait_for()
    review.get_by_text("ready to start").wait_for()
    review.locator(".plan").get_by_text("the official format of LLaDA").wait_for()
