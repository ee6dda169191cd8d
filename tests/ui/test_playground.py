"""The playground in a real browser: text appears live, time can be moved, a reload loses nothing."""

import json
import re
from typing import Any

import pytest
from PIL import Image

from jobs.models import checkpoint
from tests.fakes.browser import PHONE
from tests.fakes.debug_models import debug_model

STATE = "document.querySelector('.denoise')?.dataset"
SLOW = 90_000  # the model server loads torch first


def wait_for(page: Any, *states: str) -> str:
    """Wait until the canvas is in one of `states`; returns it."""
    page.wait_for_function(f"(s) => s.includes({STATE}?.state)", arg=list(states), timeout=SLOW)
    return page.evaluate(f"{STATE}.state")


def generate(page: Any) -> None:
    page.click("#play-go")
    wait_for(page, "waiting", "live", "done")


def choose(page: Any, model: str) -> None:
    page.locator("#play-model input").click()
    page.get_by_role("option", name=model, exact=True).click()


def cells(page: Any) -> list[str]:
    return page.locator(".denoise [data-i]").all_inner_texts()


def test_a_sudoku_is_solved_before_ones_eyes(open_tab):
    page = open_tab("playground")
    choose(page, "sudoku-9x9")
    page.wait_for_selector("#play-grid textarea:visible")
    generate(page)
    assert wait_for(page, "done", "error") == "done"
    filled = page.locator(".denoise .cell:not(.g)")
    assert filled.count() == page.input_value("#play-grid textarea").count(".")
    assert page.locator(".denoise .cell.m").count() == 0
    assert re.search(r"Solved|break a rule", page.locator(".canvas-message").inner_text())
    # back in time, with the keys and with the slider
    page.locator(".denoise input[type=range]").fill("3")
    assert page.evaluate(f"{STATE}.frame") == "3"
    assert page.locator(".denoise .cell.m").count() == filled.count() + 0 - 3 or filled.count() == 3
    # what else it could have been
    filled.first.hover()


def test_a_reload_loses_nothing_and_a_link_shows_it_elsewhere(open_tab, server):
    page = open_tab("playground")
    choose(page, "stories")
    generate(page)
    wait_for(page, "live", "done")
    page.reload()
    assert wait_for(page, "done", "error") == "done"
    seen = cells(page)
    assert any(text.strip() for text in seen)
    link = page.url
    other = open_tab("playground")
    other.goto(link)
    assert wait_for(other, "done") == "done"
    assert cells(other) == seen


def test_tokens_tell_what_else_they_could_have_been(open_tab):
    page = open_tab("playground")
    choose(page, "stories")
    generate(page)
    wait_for(page, "done")
    token = page.locator(".denoise [data-i]:not(.g):not(.m):not(.eos)").first
    token.hover()
    tip = page.locator(".denoise .tip")
    assert "revealed at step" in tip.inner_text()
    assert tip.locator(".cand").count() == 5
    page.keyboard.press("Escape")
    assert tip.is_hidden()
    page.locator(".denoise [data-i]").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.i") == "1"


def test_keys_and_readings_go_to_the_same_moments(open_tab):
    page = open_tab("playground")
    choose(page, "stories")
    page.fill("#play-message textarea", "Write a story about Mia who finds a lantern.")
    generate(page)
    assert wait_for(page, "done", "error") == "done"
    page.locator(".chat-log .user", has_text="Mia who finds a lantern").wait_for()
    page.click("#play-anew")
    page.locator(".chat-log").wait_for(state="hidden")
    frames = page.evaluate(f"{STATE}.frames")
    page.locator(".denoise [data-i]").first.focus()
    for key, frame in (("Home", "0"), ("End", frames)):
        page.keyboard.press(key)
        assert page.evaluate(f"{STATE}.frame") == frame
    readings = page.locator(".readings")
    readings.locator("summary").click()
    order, sure, entropy = (readings.locator("figure").nth(n) for n in range(3))
    told = order.locator("canvas").get_attribute("aria-label")
    assert re.search(rf"\d+ tokens in {frames} steps; \d+ % of neighbours", told)
    assert "in the first step" in entropy.locator("svg").get_attribute("aria-label")
    box = sure.locator("svg").bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 20)  # the first step
    assert re.match(r"step 1: \d\.\d+, from", sure.locator("output").inner_text())
    page.mouse.click(box["x"] + 2, box["y"] + 20)
    assert page.evaluate(f"{STATE}.frame") == "1"


def test_selected_words_become_a_gap_that_is_filled(open_tab):
    page = open_tab("playground")
    choose(page, "stories")
    page.locator("#play-mode label", has_text="Complete").click()
    page.fill("#play-prompt textarea", "Mia found a lantern.")
    page.click("#play-mask")
    page.get_by_text("Select the words").wait_for()
    page.evaluate("document.querySelector('#play-prompt textarea').setSelectionRange(4, 9)")
    page.click("#play-mask")
    page.locator("#play-infill textarea").wait_for()
    assert page.input_value("#play-infill textarea") == "Mia ____ a lantern."
    page.click("#play-go")
    assert wait_for(page, "done", "error") == "done"
    assert page.locator(".denoise [data-i]:not(.g)").count() == 8
    given = page.locator(".denoise [data-i].g").all_inner_texts()
    assert " ".join(given).replace(" .", ".") == "Mia a lantern."


def test_a_row_of_a_grid_is_completed(open_tab):
    page = open_tab("playground")
    choose(page, "sudoku-9x9")
    page.wait_for_selector("#play-grid textarea:visible")
    solved = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
    page.fill("#play-grid textarea", "........." + solved[9:])
    page.click("#play-go")
    assert wait_for(page, "done", "error") == "done"
    assert "".join(text[0] for text in cells(page)[:9]) == solved[:9]
    page.locator(".canvas-message").get_by_text("Solved").wait_for()


def test_a_word_at_a_position_stands_there_and_after_a_reload(open_tab):
    page = open_tab("playground")
    choose(page, "stories")
    page.fill("#play-message textarea", "Write a story about Mia who finds a lantern.")
    page.locator("#play-forced > button").click()
    page.fill("#play-constraints textarea", "5:lantern")
    page.locator("#play-message textarea").press("Shift+Enter")
    wait_for(page, "waiting", "live", "done")
    assert wait_for(page, "done", "error") == "done"
    for again in (False, True):
        if again:
            page.reload()
            assert wait_for(page, "done", "error") == "done"
        request = page.evaluate("window.studio.params.sample")
        start = page.evaluate(f"fetch('/api/samples/{request}').then((r) => r.json())")["lines"][0]
        forced = page.locator(f".denoise [data-i='{start['prompt_length'] + 5}']")
        assert forced.inner_text() == "lantern" and "g" in (forced.get_attribute("class") or "").split()


def test_what_is_known_to_go_wrong_is_said_beside_the_settings(open_tab):
    page = open_tab("playground")
    choose(page, "stories")
    steps, note = (
        page.locator("#sampler-steps input, #sampler-steps textarea"),
        page.locator("#play-caution .note"),
    )
    steps.fill("6")
    note.get_by_text("tokens are written in each pass").wait_for()
    page.click("#play-reset")
    note.wait_for(state="detached")


def test_text_from_outside_stays_text(open_tab):
    page = open_tab("playground", size=PHONE)
    choose(page, "stories")
    page.locator("#play-mode label", has_text="Complete").click()
    page.fill("#play-prompt textarea", "<img src=x onerror='window.pwned=1'> ${window.pwned=1}")
    page.click("#play-go")
    assert wait_for(page, "error") == "error"  # and the unknown words are named
    assert "does not know" in page.locator(".canvas-message").inner_text()
    assert page.locator(".denoise .stats").is_hidden(), "there are no figures of a text that never began"
    assert page.evaluate("window.pwned === undefined")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_wrong_settings_are_a_sentence_beside_the_button(open_tab):
    page = open_tab("playground")
    choose(page, "stories")
    page.fill("#sampler-block-size textarea", "7")
    page.click("#play-go")
    problem = page.locator("#play-problem .note")
    problem.wait_for()
    assert "multiple of block_size" in problem.inner_text()
    page.click("#play-reset")
    page.wait_for_function("document.querySelector('#sampler-block-size textarea').value !== '7'")


def test_stop_keeps_the_last_frame(open_tab):
    page = open_tab("playground")
    choose(page, "sudoku-9x9")
    page.wait_for_selector("#play-grid textarea:visible")
    page.fill("#play-grid textarea", "." * 81)
    page.click("#play-go")
    wait_for(page, "live", "done")
    page.click("#play-stop")
    assert wait_for(page, "cancelled", "done") in ("cancelled", "done")
    request = page.evaluate("window.studio.params.sample")
    lines = json.loads(page.evaluate(f"fetch('/api/samples/{request}').then((r) => r.text())"))["lines"]
    assert lines[-1]["reason"] in ("cancelled", "finished")


@pytest.mark.thorough
def test_a_picture_is_shown_to_a_model_that_sees(open_tab, server, tmp_path):
    made = debug_model("qwen3_vl")
    checkpoint.save(made.model, made.tokenizer, made.config, server.home / "models" / "sees", made.images)
    Image.effect_noise((24, 16), 90).convert("RGB").save(tmp_path / "cat.png")
    page = open_tab("playground")
    choose(page, "stories")
    page.locator("#play-picture").wait_for(state="hidden")
    choose(page, "sees")
    page.wait_for_selector("#play-picture")
    page.set_input_files("#play-picture input[type=file]", tmp_path / "cat.png")
    page.locator("#play-picture", has_text="cat").wait_for()
    page.fill("#play-message textarea", "abc")
    page.click("#play-go")
    assert wait_for(page, "done", "error") == "done"
    request = page.evaluate("window.studio.params.sample")
    start = json.loads(page.evaluate(f"fetch('/api/samples/{request}').then((r) => r.text())"))["lines"][0]
    (shown,) = start["pictures"]
    assert shown.startswith(str(server.home / "pictures")) and start["prompt"] == "abc"
    assert "with a picture" in page.locator(".chat-log").inner_text()
    assert page.locator("#play-picture", has_text="cat").count() == 0, "the next question has its own"
