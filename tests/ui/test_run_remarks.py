"""Tags and the note on a run's page: kept, seen by others at once, and never written over unseen."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.fakes.browser import PHONE, PageServer
from tests.fakes.page_runs import start, tiny
from tests.fakes.processes import until
from tests.ui.test_accessibility import violations

Open = Callable[..., Any]
SLOW_NOTES = """() => {
  const ask = window.fetch;
  window.fetch = async (path, ...more) => {
    if (String(path).endsWith("/note")) await new Promise((done) => setTimeout(done, 1500));
    return ask(path, ...more);
  };
}"""
XSS = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


@pytest.fixture
def job(server: PageServer) -> str:
    """A run that waits, and whose folder is all there is of it."""
    return start(server, tiny("Remarks", 5, queue={"hold": True}))


def ask(server: PageServer, job: str, what: str = "", **body: Any) -> dict[str, Any]:
    """What the server says of a job, after a change where there is a body."""
    url = f"{server.url}/api/jobs/{job}"
    reply = httpx.post(url + what, json=body, timeout=30) if body else httpx.get(url, timeout=30)
    return reply.raise_for_status().json()


def show(open_tab: Open, job: str, **more: Any) -> Any:
    page = open_tab("jobs", **more)
    page.evaluate("(id) => window.studio.open('jobs', {run: id})", job)
    page.locator(".remarks").wait_for()
    return page


def note_of(page: Any) -> Any:
    return page.locator(".remarks").get_by_label("Note", exact=True)


def tags_of(page: Any) -> list[str]:
    return page.locator(".remarks .chip > span").all_inner_texts()


def test_tags_from_the_keyboard_with_those_in_use_suggested(open_tab: Open, server: PageServer, job: str):
    other = start(server, tiny("Other", 5, queue={"hold": True}))
    ask(server, other, "/tags", add=["in-use"])
    page = show(open_tab, job, refused="/tags")
    field = page.get_by_label("Add a tag")
    field.focus()
    page.locator("#tags-in-use option[value='in-use']").wait_for(state="attached")
    for tag in ("baseline", "好"):
        field.fill(tag)
        field.press("Enter")
        page.locator(".remarks .chip", has_text=tag).wait_for()
    field.fill(XSS)
    field.press("Enter")
    page.locator(".remarks").get_by_text("is no tag: one word of letters").wait_for()
    assert field.input_value() != "", "what was refused can be mended"
    page.get_by_role("button", name="Take off baseline").press("Enter")
    until(lambda: ask(server, job)["tags"] == ["好"], what="the tag taken off")
    assert tags_of(page) == ["好"] and page.title() != "broken"


def test_a_note_is_kept_as_text_and_seen_by_another_viewer(open_tab: Open, server: PageServer, job: str):
    first, second = show(open_tab, job), show(open_tab, job, size=PHONE)
    text = f"{XSS}\n" + "long " * 1000
    note_of(first).fill(text)
    note_of(first).press("Control+Enter")
    first.get_by_text("saved", exact=True).wait_for()
    until(lambda: note_of(second).input_value() == text.strip(), what="the note in the other window")
    assert ask(server, job)["note"] == text.strip()
    assert second.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert {first.title(), second.title()} & {"broken"} == set()
    note_of(first).fill("")
    note_of(first).blur()
    until(lambda: ask(server, job)["note"] == "", what="the empty note")


@pytest.mark.thorough
@pytest.mark.parametrize(("choice", "kept"), [("Replace it with mine", "mine"), ("Take that one", "theirs")])
def test_a_note_that_changed_elsewhere_is_shown_not_written_over(
    open_tab: Open, server: PageServer, job: str, choice: str, kept: str
):
    page = show(open_tab, job, refused="/note")
    note_of(page).press_sequentially("mine")
    ask(server, job, "/note", note="theirs")
    page.get_by_text("This note was changed elsewhere meanwhile").wait_for()
    assert page.locator(".remarks pre").inner_text() == "theirs" and ask(server, job)["note"] == "theirs"
    page.get_by_role("button", name=choice).click()
    until(lambda: ask(server, job)["note"] == note_of(page).input_value() == kept, what=kept)


@pytest.mark.thorough
def test_of_a_deleted_run_an_unsaved_note_can_still_be_copied(open_tab: Open, server: PageServer, job: str):
    httpx.post(f"{server.url}/api/jobs/{job}/stop", timeout=30).raise_for_status()
    page = show(open_tab, job, refused="/api/jobs")
    page.route("**/note", lambda route: route.abort())
    note_of(page).fill("written too late")
    page.get_by_text("Not saved. The server cannot be reached").wait_for()
    httpx.delete(f"{server.url}/api/jobs/{job}", timeout=30).raise_for_status()
    page.get_by_text("copy what you want to keep").wait_for()
    assert note_of(page).input_value() == "written too late" and not note_of(page).is_editable()


@pytest.mark.thorough
def test_a_note_written_while_the_server_was_away_is_saved_by_itself(
    open_tab: Open, server: PageServer, job: str
):
    page = show(open_tab, job, refused="/note")
    page.route("**/note", lambda route: route.abort())
    note_of(page).fill("patience")
    page.get_by_text("Not saved. The server cannot be reached").wait_for()
    page.unroute("**/note")
    ask(server, job, "/tags", add=["news"])  # anything that the stream tells
    until(lambda: ask(server, job)["note"] == "patience", what="the note saved")
    page.get_by_text("saved", exact=True).wait_for()


@pytest.mark.thorough
def test_a_run_that_is_left_at_once_keeps_what_was_typed(open_tab: Open, server: PageServer, job: str):
    page = show(open_tab, job, refused="/tags")
    page.get_by_label("Add a tag").fill("two words?")
    page.get_by_label("Add a tag").press("Enter")
    page.locator(".remarks").get_by_text("is no tag").wait_for()
    note_of(page).fill("in a hurry")
    other = start(server, tiny("Other", 5, queue={"hold": True}))
    page.evaluate("(id) => window.studio.open('jobs', {run: id})", other)
    until(lambda: page.title() and ask(server, job)["note"] == "in a hurry", what="the note")
    until(lambda: note_of(page).input_value() == "", what="the other run's note")
    assert page.get_by_label("Add a tag").input_value() == ""
    assert not page.locator(".remarks [role=alert]").first.is_visible()
    note_of(page).fill("gone at once")
    page.goto("about:blank")
    until(lambda: ask(server, other)["note"] == "gone at once", what="the note of a page that was closed")


@pytest.mark.thorough
def test_a_run_that_is_left_and_opened_again_at_once_keeps_what_was_typed(
    open_tab: Open, server: PageServer, job: str
):
    page = show(open_tab, job)
    page.evaluate(SLOW_NOTES)
    note_of(page).fill("in a hurry")
    page.evaluate("(id) => window.studio.open('jobs', {run: null})")
    page.evaluate("(id) => window.studio.open('jobs', {run: id})", job)
    until(lambda: ask(server, job)["note"] == "in a hurry", what="the note")
    page.wait_for_timeout(2500)  # longer than until a text is saved by itself
    assert ask(server, job)["note"] == note_of(page).input_value() == "in a hurry"


def test_a_run_tagged_keep_is_deleted_only_after_saying_so(open_tab: Open, server: PageServer, job: str):
    httpx.post(f"{server.url}/api/jobs/{job}/stop", timeout=30).raise_for_status()
    ask(server, job, "/tags", add=["keep"])
    page = show(open_tab, job)
    page.get_by_role("button", name="Delete").click()
    page.get_by_text("has the tag keep. Delete it").wait_for()
    page.get_by_role("button", name="Keep", exact=True).click()


@pytest.mark.thorough
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious(open_tab: Open, server: PageServer, job: str, dark: bool):
    ask(server, job, "/tags", add=["one", "two"])
    page = show(open_tab, job, dark=dark, refused="/note")
    note_of(page).press_sequentially("mine")
    ask(server, job, "/note", note="theirs")
    page.get_by_text("This note was changed elsewhere meanwhile").wait_for()
    assert violations(page) == []
