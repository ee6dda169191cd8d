"""The pictures of the documentation, from a real server: `python -m tests.ui.screenshots [FOLDER]`.

It starts a server over a home of its own, trains the live sudoku recipe for a while, lets the bundled sudoku
model solve a grid, and takes every tab in light, some in dark and one on a phone. Minutes on two cores.
"""

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import sync_playwright

from jobs.launch import source_root
from tests.fakes.browser import PHONE, PageServer, go, launch, watch
from tests.fakes.page_runs import tiny
from tests.fakes.processes import until

SIZE = (1440, 900)
LARGEST = 400_000  # bytes of a picture
STEPS = 300
SWEPT = 8  # runs of the sweep
PREVIEWED = ("mdlm", "bd3lm", "ddm")  # objectives whose masking previews are shown
# A picture tells nothing of the machine that it was taken on.
PLACES = """(pairs) => {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode;
    for (const [from, to] of pairs) if (text.data.includes(from)) text.data = text.data.replaceAll(from, to);
  }
}"""


def main(folder: Path) -> int:
    """Write the pictures; 1 if the pages complained or a picture is too large."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="studio-pictures-") as home, sync_playwright() as playwright:
        server = PageServer(Path(home))
        try:
            complaints = take_all(server, launch(playwright), folder)
        finally:
            server.end()
    for path in sorted(folder.glob("*.png")):
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
        if path.stat().st_size > LARGEST:
            complaints.append(f"{path.name} is larger than {LARGEST // 1000} kB")
    print(*complaints, sep="\n")
    return 1 if complaints else 0


def take_all(server: PageServer, browser: Any, folder: Path) -> list[str]:
    """Every picture; what the pages complained about."""
    complaints: list[str] = []
    run = train(server)
    group = sweep(server)

    def take(name: str, tab: str, act: Callable[[Any], None], dark: bool = False, size: Any = SIZE) -> None:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        page = context.new_page()
        page.set_default_timeout(180_000)
        found = watch(page, server.url)
        go(page, server.url, tab, dark)
        act(page)
        page.wait_for_timeout(700)
        page.evaluate(PLACES, [[sys.executable, "python"], [str(server.home), "~/.dllm-studio"]])
        page.screenshot(path=folder / f"{name}.png")
        compress(folder / f"{name}.png")
        complaints.extend(f"{name}: {line}" for line in found)
        context.close()

    def job(page: Any) -> None:
        page.evaluate("(id) => window.studio.open('jobs', {run: id})", run)
        page.wait_for_timeout(2500)

    def home(page: Any) -> None:
        page.get_by_role("region", name="Your newest models").get_by_role("button").first.wait_for()

    take("playground", "playground", solve)
    take("playground-dark", "playground", solve, dark=True)
    take("playground-text", "playground", tell)
    take("data", "data", rows_and_figures)
    for objective in PREVIEWED:
        take(f"preview-{objective}", "data", lambda page, name=objective: preview(page, name))
    take("playground-lanes", "playground", side_by_side)
    take("train", "train", train_tab)
    take("train-dark", "train", train_tab, dark=True)
    take("train-phone", "train", train_tab, size=PHONE)
    take("jobs", "jobs", lambda page: page.wait_for_timeout(1500))
    take("job", "jobs", job)
    take("job-dark", "jobs", job, dark=True)
    take("compare", "compare", lambda page: compared(page, group))
    take("compare-dark", "compare", lambda page: compared(page, group), dark=True)
    take("compare-axes", "compare", lambda page: grouped(page, group))
    take("convert", "convert", lambda page: page.get_by_text("Choose a model").wait_for())
    take("home", "home", home)
    take("home-dark", "home", home, dark=True)
    take("home-phone", "home", home, size=PHONE)
    take("models", "models", lambda page: page.locator(".model").first.wait_for())
    return complaints


def train_tab(page: Any) -> None:
    """A form that can start."""
    page.get_by_text("ready to start").wait_for()


def rows_and_figures(page: Any) -> None:
    """The Data tab with its statistics."""
    page.locator("#data-figures .figures").wait_for()
    page.locator("#data-rows .row-card").first.wait_for()
    page.locator("#data-picture .k.masked").first.wait_for()


def preview(page: Any, objective: str) -> None:
    """The masking preview of one objective, at the top of the screen."""
    rows_and_figures(page)
    page.locator("#data-objective").select_option(objective)
    page.get_by_text(f"{objective}, as messages").wait_for()
    page.locator("#data-picture").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('[aria-label=\"Masking preview\"]').scrollIntoView()")


def train(server: PageServer) -> str:
    """Start the live recipe and wait until its curves have something to show."""
    spec = httpx.get(f"{server.url}/api/recipes/sudoku-4x4").json()["spec"]
    spec["optimisation"] |= {"steps": STEPS}
    job = httpx.post(f"{server.url}/api/jobs", json={"spec": spec}).json()["id"]

    def far() -> bool:
        view = httpx.get(f"{server.url}/api/jobs/{job}").json()
        assert view["state"] not in ("failed", "lost"), view["reason"]
        return view["state"] == "succeeded" or (view["step"] or 0) > STEPS * 0.6

    until(far, seconds=900, what="most of the training")
    return job


def sweep(server: PageServer) -> str:
    """A sweep over learning rates and batch sizes, all of it done."""
    data = {"builder": "sudoku", "options": {"size": 4, "rows": 400}, "format": "text", "max_length": 16}
    base = tiny("Rates and batches", 150, data={**data, "validation": 0.1})
    base["report"] = {"log_every": 5, "evaluate_every": 25}
    grid = {"optimisation.learning_rate": [3e-4, 1e-3, 3e-3, 1e-2], "optimisation.batch_size": [8, 32]}
    spec = {"kind": "sweep", "name": base["name"], "base": base, "grid": grid}
    group = httpx.post(f"{server.url}/api/groups", json={"spec": spec}, timeout=60).json()["id"]

    def done() -> bool:
        return httpx.get(f"{server.url}/api/groups/{group}", timeout=60).json()["state"] == "succeeded"

    until(done, seconds=900, what="the end of the sweep")
    return group


def compared(page: Any, group: str) -> None:
    """The curves of a sweep over each other."""
    page.evaluate("(group) => window.studio.open('compare', {group})", group)
    page.locator(".curves svg[role=img] path.run").nth(SWEPT).wait_for()


def grouped(page: Any, group: str) -> None:
    """Its parallel axes and table, by learning rate."""
    page.evaluate("window.studio.remember({by: 'optimisation.learning_rate'})")
    compared(page, group)
    page.evaluate("document.querySelector('.axes').scrollIntoView()")


def solve(page: Any) -> None:
    """Let the bundled model fill a grid, and go back to the middle of it."""
    choose_model(page, "sudoku-9x9")
    page.locator("#play-puzzle").wait_for()
    generate(page)


def tell(page: Any) -> None:
    """A story on request, seen in the middle of its writing."""
    choose_model(page, "stories")
    page.locator("#play-mode label", has_text="Chat").click()
    page.locator("#play-message textarea").fill("Write a story about Mia who finds a lantern.")
    generate(page)


def side_by_side(page: Any) -> None:
    """Two samplers write the same story, seen at the same moment."""
    choose_model(page, "stories")
    page.locator("#play-message textarea").fill("Write a story about Mia who finds a lantern.")
    page.locator(".lanes summary").click()
    page.locator(".lane-form").nth(1).wait_for()
    page.locator("#lanes-run").click()
    page.locator(".lanes[data-state=done]").wait_for()
    lanes = page.locator(".lanes")
    lanes.get_by_role("radio", name="Time", exact=True).click()
    lanes.locator("input[type=range]").fill("400")
    lanes.scroll_into_view_if_needed()


def choose_model(page: Any, name: str) -> None:
    page.locator("#play-model input").click()
    page.get_by_role("option", name=name).click()


def generate(page: Any) -> None:
    page.locator("#play-go").click()
    page.get_by_text(re.compile(r"of \d+ revealed, 0 masked")).wait_for()
    scrub = page.locator("#play-canvas input[type=range]")
    scrub.fill(str(round(0.6 * int(scrub.get_attribute("max")))))


def compress(path: Path) -> None:
    """Fewer colours where that is enough: flat surfaces need no more."""
    with Image.open(path) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(source_root(), "docs", "images")))
