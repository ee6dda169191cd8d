"""From the lanes to the server and back: they bring who writes and how, the panel brings what and the seed.

The lanes (components/lanes.js) press buttons that nobody sees.
"""

import json
import time
from dataclasses import asdict
from typing import Any

import gradio as gr

from backend.services.lanes import Lane, side_by_side
from jobs.protocol.errors import StudioError
from jobs.specs.samplers import SAMPLERS
from ui import asking, forced_words, sampler_form
from ui.components.lanes import LanesPanel
from ui.page import QUICK, Page

TAKE = "(given, ...rest) => [window.studio.lanes(), ...rest]"


def panel() -> dict[str, Any]:
    """The lanes, the buttons, and the place for what the lanes bring."""
    return {
        "lanes": LanesPanel(elem_id="play-lanes", samplers=catalogue()),
        "lanes_given": gr.Textbox(visible=False),
        "lanes_go": gr.Button("Run side by side", elem_id="play-lanes-go", elem_classes="bridge"),
        "lanes_panel": gr.Button("As in the panel", elem_id="play-lanes-panel", elem_classes="bridge"),
    }


def problem(sentence: str) -> dict[str, Any]:
    """What the lanes show. Its time makes it new to the browser when it is said twice."""
    return {"problem": sentence, "time": time.time_ns()}


def catalogue() -> dict[str, Any]:
    """Each sampler with a line about it and its settings, for a form drawn in the browser."""
    return {
        name: {
            "about": sampler_form.about(name),
            "fields": [asdict(field) for field in sampler_form.own_fields(name).values()],
        }
        for name in SAMPLERS
    }


def wire(page: Page, p: dict[str, Any], sampler: list[Any], talk: gr.State, contents: list[str]) -> None:
    """What the buttons do. `sampler`: the choice of sampler and its controls; `contents`: the names of the
    controls that say what to write."""
    said = [p[name] for name in (*contents, "picture", "blanks", *forced_words.NAMES)]

    def run(lanes: str, mode: str, seed: float | None, turns: asking.Turns, *values: Any) -> dict[str, Any]:
        given = dict(zip((*contents, "picture", "blanks", *forced_words.NAMES), values, strict=True))
        try:
            question, _ = asking.question(
                page.studio,
                mode=mode,
                contents={name: given[name] for name in contents},
                seed=seed,
                talk=turns,
                blanks=given["blanks"],
                picture=given["picture"],
                forced=forced_words.read(mode, {name: given[name] for name in forced_words.NAMES}),
                again=True,
            )
            handles = side_by_side(
                page.studio.sampling, question, [Lane(**lane) for lane in json.loads(lanes)]
            )
        except StudioError as error:
            return problem(str(error))
        return {"requests": [handle.request for handle in handles]}

    def take(model: str | None, name: str, *settings: Any) -> dict[str, Any]:
        """The panel's model and sampler for lane A."""
        if not model:
            return problem(asking.NO_MODEL)
        try:
            read = sampler_form.read(name, list(settings))
        except StudioError as error:
            return problem(str(error))
        return {
            "panel": {"model": model, "sampler": read.pop("name"), "settings": read},
            "time": time.time_ns(),
        }

    p["lanes_go"].click(
        run, [p["lanes_given"], p["mode"], p["seed"], talk, *said], p["lanes"], js=TAKE, **QUICK
    )
    p["lanes_panel"].click(take, [p["model"], *sampler], p["lanes"], **QUICK)
