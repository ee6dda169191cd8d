"""From the canvas to the server: a branch goes on with the sampler's settings as they stand in the panel.

The canvas (components/denoise_edits.js) presses a button that nobody sees; it brings the changes along, the
panel brings the settings.
"""

import json
from typing import Any

import gradio as gr

from jobs.protocol.errors import StudioError
from ui import sampler_form
from ui.notes import note
from ui.page import QUICK, Page
from ui.words import say


def panel() -> dict[str, Any]:
    """The button, and the place for the canvas's changes."""
    return {
        "edits": gr.Textbox(visible=False),
        "branch": gr.Button(say("Go on from here"), elem_id="play-branch", elem_classes="bridge"),
    }


def wire(page: Page, p: dict[str, Any], sampler: list[Any]) -> None:
    """What the button does. `sampler`: the choice of sampler and its controls."""

    def branch(edits: str, seed: float | None, name: str, *settings: Any) -> list[Any]:
        given = json.loads(edits)
        try:
            options = sampler_form.read(name, list(settings))
            handle = page.studio.sampling.branch(
                given.pop("request"), **given, sampler=options, seed=int(seed or 0)
            )
        except StudioError as error:
            return [gr.update(), note(str(error))]
        return [{"request": handle.request}, ""]

    p["branch"].click(
        branch,
        [p["edits"], p["seed"], *sampler],
        [p["canvas"], p["problem"]],
        js="(edits, ...rest) => [window.studio.branch(), ...rest]",
        **QUICK,
    )
