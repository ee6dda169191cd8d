"""Sharing in a real browser: a page that plays by itself, a document that comes back, a script, a link."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from backend.services.film_document import document
from tests.fakes.films import film
from tests.ui import test_lanes as lanes
from tests.ui.test_playground import cells, choose, generate, wait_for

LOOKS = "[...document.querySelectorAll('[data-i]')].map((cell) => [cell.className, cell.textContent])"


@pytest.fixture
def told(open_tab):
    """A page with a story that has been told, and what can be done with it."""
    page = open_tab("playground")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    choose(page, "stories")
    page.fill("#play-message textarea", "Write a story about Mia who finds a lantern.")
    generate(page)
    assert wait_for(page, "done", "error") == "done"
    page.locator(".share summary").click()
    return page


@pytest.fixture
def open_file(browser):
    """open_file(path) -> a page without a network, which must ask for nothing and complain of nothing."""
    contexts, opened, asked, said = [], [], [], []

    def open_it(file: Path) -> Any:
        contexts.append(browser.new_context(offline=True, reduced_motion="no-preference"))
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        opened.append(file.as_uri())
        page.goto(file.as_uri())
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert asked == opened and said == []


def download(page: Any, form: str, folder: Path) -> Path:
    with page.expect_download() as started:
        page.locator(".share").get_by_role("button", name=form, exact=True).click()
    target = folder / started.value.suggested_filename
    started.value.save_as(target)
    return target


def bring(page: Any, file: Path) -> None:
    page.locator(".share input[type=file]").set_input_files(file)


def test_the_exported_page_plays_by_itself_and_is_the_canvas(told, open_file, tmp_path):
    page = open_file(download(told, "HTML", tmp_path))
    end = page.locator("input[type=range]").get_attribute("max")
    page.locator(f"main[data-frame='{end}']").wait_for()
    assert page.evaluate(LOOKS) == told.evaluate(LOOKS)
    for frame in ("0", "2"):
        for one in (page, told):
            one.locator(".transport input[type=range]").first.fill(frame)
        assert page.evaluate(LOOKS) == told.evaluate(LOOKS)
    page.get_by_role("button", name="Play").click()  # and once more from where it stands
    page.locator(f"main[data-frame='{end}']").wait_for()
    page.locator("[data-i]:not(.g):not(.m):not(.eos)").first.hover()
    assert page.locator(".tip .cand").count() == 5


def test_lanes_are_exported_into_one_page(open_tab, open_file, tmp_path):
    page = open_tab("playground")
    lanes.prepare(page, "stories", "stories")
    lanes.run(page)
    lanes.wait_for(page, "done")
    lanes.scrub(page, 1)
    with page.expect_download() as started:
        page.get_by_role("button", name="Export as HTML").click()
    file = tmp_path / "lanes.html"
    started.value.save_as(file)
    shared = open_file(file)
    shared.locator(f"main[data-frame='{max(lanes.frames(page))}']").wait_for()
    shared.get_by_role("radio", name="Time", exact=True).click()
    for part in (".lane .canvas", ".lane .bars"):
        assert shared.locator(part).all_inner_texts() == page.locator(part).all_inner_texts()
    assert shared.locator(".lane .canvas .m").count() == 0


def test_a_document_goes_out_and_comes_in_as_a_replay(told, tmp_path):
    request, seen = told.evaluate("window.studio.params.sample"), cells(told)
    file = download(told, "JSON", tmp_path)
    bring(told, file)
    told.wait_for_function("window.studio.params.sample.startsWith('imported_')")
    assert wait_for(told, "done", "error") == "done"
    assert cells(told) == seen
    assert "by stories" in told.locator(".share .note").inner_text()
    assert request in told.locator(".share .note").inner_text()
    told.reload()
    assert wait_for(told, "done") == "done"
    assert told.locator(".share .note").is_visible()
    told.locator(".denoise input[type=range]").fill("3")  # and it is gone on from, by the model of that name
    told.locator(".branch-go").click()
    told.wait_for_function("!window.studio.params.sample.startsWith('imported_')")
    assert wait_for(told, "done", "error") == "done"
    assert told.locator(".share .note").is_hidden()


def test_a_hostile_document_stays_text_and_a_wrong_one_is_refused(open_tab, open_file, tmp_path):
    page = open_tab("playground", refused="/api/samples/import")
    page.locator(".share summary").click()
    assert page.locator(".share").get_by_role("button", name="Copy link").is_hidden()
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(document(film(), {"model": "<b>me</b>", "request": "x"})))
    bad.write_text(json.dumps(document(film(model="/etc"), {})))
    bring(page, bad)
    page.locator(".studio-toasts .bad", has_text="no trajectory").wait_for()
    bring(page, good)
    assert wait_for(page, "done", "error") == "done"
    assert "<b>me</b>" in page.locator(".share .note").inner_text()
    shared = open_file(download(page, "HTML", tmp_path))
    shared.locator("main[data-frame='3']").wait_for()
    assert [one.evaluate("window.pwned") for one in (page, shared)] == [None, None]


def test_a_script_and_a_link_are_copied(told, open_tab):
    told.get_by_role("button", name="Copy as Python").click()
    copied = told.locator(".share textarea")
    copied.wait_for()
    ast.parse(copied.input_value())
    assert told.evaluate("navigator.clipboard.readText()") == copied.input_value()
    told.get_by_role("button", name="Copy link").click()
    told.wait_for_function("document.querySelector('.share textarea').value.startsWith('http')")
    other = open_tab("playground")
    other.goto(copied.input_value())
    assert wait_for(other, "done") == "done"
    assert cells(other) == cells(told)
