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
