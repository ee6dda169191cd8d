"""Side by side in a real browser: lanes asked together, replayed in step, compared; a reload keeps them."""

import shutil
from typing import Any

import pytest

from jobs.models import causal, checkpoint
from tests.fakes.browser import PHONE
from tests.ui.test_playground import SLOW, choose

LANES = "document.querySelector('.lanes')?.dataset"
STORY = "Write a story about Mia who finds a lantern."


@pytest.fixture(scope="module")
def causal_model(server):
    """The bundled stories with a causal mask: the words of an AR model, if not its wit."""
    made = causal.as_causal(checkpoint.load("assets/models/stories"))
    folder = server.home / "models" / "stories-ar"
    causal.save(made.model, made.tokenizer, folder)
    yield folder.name
    shutil.rmtree(folder)


def prepare(page: Any, *models: str) -> None:
    """Ask for a story in so many lanes."""
    choose(page, "stories")
    page.fill("#play-message textarea", STORY)
    page.locator(".lanes summary").click()
    page.locator(".lane-form").nth(1).wait_for()
    while page.locator(".lane-form").count() < len(models):
        page.get_by_role("button", name="Add a lane").click()
    for letter, model in zip("ABCD", models, strict=False):
        page.get_by_label(f"Model {letter}").select_option(model)


def run(page: Any) -> None:
    page.click("#lanes-run")
    wait_for(page, "live", "done")


def wait_for(page: Any, *states: str) -> None:
    page.wait_for_function(f"(s) => s.includes({LANES}?.state)", arg=list(states), timeout=SLOW)


def frames(page: Any) -> list[int]:
    return [int(lane.get_attribute("data-frame")) for lane in page.locator(".lane").all()]


def scrub(page: Any, share: float) -> None:
    """Take the slider of all lanes to a share of its way."""
    slider = page.locator(".lanes input[type=range]")
    slider.fill(str(round(share * int(slider.get_attribute("max")))))


def test_lanes_are_replayed_in_step_and_compared(open_tab, causal_model):
    page = open_tab("playground")
    prepare(page, "stories", "stories", causal_model)
    page.get_by_label("Sampler B").select_option("fast_dllm")
    page.get_by_label("threshold B").fill("0.9")
    page.get_by_label("threshold B").press("Tab")
    run(page)
    wait_for(page, "done")
    ids = page.evaluate("window.studio.params.lanes").split(",")
    lines = [page.evaluate(f"fetch('/api/samples/{one}').then((r) => r.json())")["lines"] for one in ids]
    # 1. The same question, each lane its own settings, one after another.
    assert {tuple(trajectory[0]["ids"][:10]) for trajectory in lines} == {tuple(lines[0][0]["ids"][:10])}
    assert [trajectory[0]["sampler"]["name"] for trajectory in lines] == ["llada", "fast_dllm", "ar"]
    assert {trajectory[0]["length"] for trajectory in lines} == {lines[0][0]["length"]}
    # 2. By step: all at the same one, or at their end.
    steps = [sum(line["type"] == "step" for line in trajectory) for trajectory in lines]
    page.locator(".lanes").get_by_role("radio", name="Step", exact=True).click()
    scrub(page, 0)
    page.get_by_role("button", name="One step on").last.click()
    page.get_by_role("button", name="One step on").last.click()
    assert frames(page) == [2, 2, 2]
    scrub(page, 1)
    assert frames(page) == steps
    # 3. By time: each where it was after so many seconds.
    page.locator(".lanes").get_by_role("radio", name="Time", exact=True).click()
    scrub(page, 0.4)
    seconds = 0.4 * max(trajectory[-2]["seconds"] for trajectory in lines)
    at = [sum(line["type"] == "step" and line["seconds"] <= seconds for line in t) for t in lines]
    assert all(abs(shown - known) <= 1 for shown, known in zip(frames(page), at, strict=True))
    # 4. Figures beside the bars; a causal model takes a pass for each token.
    scrub(page, 1)
    told = page.locator(".lane .bars").all_inner_texts()
    assert "agrees with A" not in told[0] and all("agrees with A" in text for text in told[1:])
    first, other = ([line for t in (one,) for line in t if line["type"] == "step"] for one in lines[:2])
    a, b = ({d[0]: (d[1], d[4]) for line in one for d in line["deltas"]} for one in (first, other))
    both = [p for p in a.keys() & b.keys() if "closed" not in (a[p][1], b[p][1])]
    same = sum(a[p][0] == b[p][0] for p in both)
    assert f"({same} / {len(both)})" in told[1]
    assert "tokens per forward\n1.00" in told[2]


def test_a_reload_in_mid_run_keeps_the_lanes(open_tab):
    page = open_tab("playground")
    prepare(page, "stories", "stories")
    run(page)
    page.reload()
    wait_for(page, "live", "done")
    assert page.locator(".lane").count() == 2
    wait_for(page, "done")
    assert page.locator(".lane .canvas .m").count() == 0
    link, other = page.url, open_tab("playground")
    other.goto(link)
    wait_for(other, "done")
    assert other.locator(".lane .canvas").all_inner_texts() == page.locator(".lane .canvas").all_inner_texts()


def test_what_is_known_to_go_wrong_with_a_lane_is_said_and_after_a_reload(open_tab):
    page = open_tab("playground")
    prepare(page, "stories", "stories")
    page.get_by_label("steps A", exact=True).fill("6")
    page.get_by_label("steps A", exact=True).press("Tab")
    run(page)
    note = page.locator(".lane").first.locator(".cautions .note", has_text="tokens are written in each pass")
    note.wait_for()
    page.reload()
    note.wait_for()
    assert page.locator(".lane").nth(1).locator(".cautions .note").count() == 0


def test_a_lane_is_copied_removed_and_taken_from_the_panel(open_tab):
    page = open_tab("playground", size=PHONE)
    prepare(page, "stories", "stories", "stories")
    page.get_by_label("steps A", exact=True).fill("36")
    page.get_by_label("steps A", exact=True).press("Tab")
    page.get_by_role("button", name="Copy lane A").last.click()
    assert page.get_by_label("steps C", exact=True).input_value() == "36"
    page.get_by_role("button", name="Remove").last.click()
    assert page.locator(".lane-form").count() == 2
    page.fill("#sampler-block-size textarea", "24")
    page.get_by_role("button", name="As in the panel").click()
    page.wait_for_function("document.querySelector('[aria-label=\"block_size A\"]').value === '24'")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_wrong_lanes_are_a_sentence_and_nothing_begins(open_tab):
    page = open_tab("playground")
    prepare(page, "stories", "stories")
    page.get_by_label("threshold B").fill("3")
    page.get_by_label("threshold B").press("Tab")
    for _ in range(2):  # said again when it is asked again
        page.click("#lanes-run")
        page.locator(".lanes .note.bad", has_text="Lane B:").wait_for()
    assert page.locator(".lane").count() == 0
