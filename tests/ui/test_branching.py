"""The playground's branches in a real browser: pause, change tokens at a step, go on, and the tree of it."""

from typing import Any

from tests.ui.test_playground import STATE, choose, wait_for


def solve(page: Any) -> str:
    """A sudoku is solved; the request's id."""
    choose(page, "sudoku-9x9")
    page.wait_for_selector("#play-grid textarea:visible")
    page.click("#play-go")
    assert wait_for(page, "done", "error") == "done"
    return page.evaluate("window.studio.params.sample")


def lines_of(page: Any, request: str) -> list[dict[str, Any]]:
    return page.evaluate(f"fetch('/api/samples/{request}').then((r) => r.json())")["lines"]


def test_a_branch_leaves_at_a_step_with_a_token_pinned_and_another_masked_again(open_tab):
    page = open_tab("playground")
    parent = solve(page)
    assert page.locator(".branch-go").is_disabled()  # nothing is left to be written at the end
    page.locator(".denoise input[type=range]").fill("3")
    first = lines_of(page, parent)[1]["deltas"][0][0]
    masked = int(page.locator(".denoise .cell.m").first.get_attribute("data-i"))
    # by keyboard: Enter opens the editor, Enter in it pins
    page.locator(f".denoise [data-i='{masked}']").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    # by pointer
    page.locator(f".denoise [data-i='{first}']").click()
    page.get_by_role("button", name="Mask again").click()
    assert page.locator(".denoise .changed").count() == 2
    page.keyboard.press("b")
    page.wait_for_function("(parent) => window.studio.params.sample !== parent", arg=parent)
    assert wait_for(page, "done", "error") == "done"
    branch = page.evaluate("window.studio.params.sample")
    start = lines_of(page, branch)[0]
    seventh = lines_of(page, parent)[0]["texts"].index("7")
    assert start["parent"] == {
        "request": parent,
        "step": 2,
        "pins": {str(masked): lines_of(page, parent)[0]["ids"][seventh]},
        "remask": [first],
    }
    assert page.locator(f".denoise [data-i='{masked}'].pin").inner_text() == "7"
    # the tree, which leads back
    tree = page.locator(".branches button")
    assert tree.count() == 2
    assert tree.nth(1).get_attribute("aria-current") == "true"
    assert "After step 3: 1 pinned, 1 masked again" in tree.nth(1).inner_text()
    tree.first.click()
    page.wait_for_function("(parent) => window.studio.params.sample === parent", arg=parent)
    assert wait_for(page, "done", "error") == "done"
    assert page.locator(".denoise .pin").count() == 0
    assert page.locator(".branches button").count() == 2


def test_words_are_forced_and_pausing_holds_the_canvas(open_tab):
    page = open_tab("playground")
    choose(page, "stories")
    page.locator("#play-forced > button").click()
    page.fill("#play-constraints textarea", "lantern")
    page.click("#play-go")
    page.locator("#play-problem .note", has_text="5:upon").wait_for()
    page.fill("#play-constraints textarea", "")
    page.fill("#play-prefix textarea", "Tom")
    page.click("#play-go")
    wait_for(page, "live", "done")
    hold = page.locator(".denoise .hold")
    if page.evaluate(f"{STATE}.state") == "live":  # a fast machine has ended
        page.evaluate("document.querySelector('.denoise .hold').click()")  # it may be gone by now
        if wait_for(page, "paused", "done") == "paused":
            page.wait_for_timeout(600)  # the pass that was on its way still comes
            frame = page.evaluate(f"{STATE}.frames")
            page.wait_for_timeout(600)
            assert page.evaluate(f"{STATE}.frames") == frame
            page.reload()
            assert wait_for(page, "paused") == "paused"
            assert hold.inner_text() == "Resume"
            hold.click()
    assert wait_for(page, "done", "error") == "done"
    length = lines_of(page, page.evaluate("window.studio.params.sample"))[0]["prompt_length"]
    assert page.locator(f".denoise [data-i='{length}'].g").inner_text() == "Tom"


FILM = [
    {
        "type": "start",
        "mask_id": 9,
        "ids": [1, 9, 9, 9, 9],
        "texts": ["a", "", "", "", ""],
        "given": [0],
        "sampler": {"steps": 4},
    },
    {
        "type": "step",
        "step": 0,
        "nfe": 2,
        "seconds": 1.0,
        "block": 0,
        "deltas": [[1, 2, " b", 0.9, "revealed", []], [2, 3, "[END]", 0.8, "revealed", []]],
        "masked": 2,
        "entropy": 0.5,
    },
    {
        "type": "step",
        "step": 1,
        "nfe": 2,
        "seconds": 1.0,
        "block": 0,
        "deltas": [[3, 3, "[END]", 1.0, "closed", []], [4, 3, "[END]", 1.0, "closed", []]],
        "masked": 0,
        "entropy": None,
    },
]


def test_what_is_closed_behind_the_end_does_not_count_as_written(open_tab):
    page = open_tab("playground")
    read = "(lines) => { const film = new StudioFilm(); lines.forEach((line) => film.push(line)); "
    figures = page.evaluate(read + "return film.figures(2); }", FILM)
    assert (figures["revealed"], figures["closed"], figures["masked"]) == (2, 2, 0)
    assert (figures["perForward"], figures["perSecond"]) == (1, 2)
    legend = "return studioLegend('block', film).map((key) => key.textContent).join('; '); }"
    told = page.evaluate(read + legend, FILM)
    assert "closed: after the end" in told and "edited" not in told
