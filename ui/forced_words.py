"""Words that must stand in an answer: the playground's fields for them, and how they are read."""

import re
from typing import Any

import gradio as gr

from jobs.protocol.errors import SpecError
from ui import asking
from ui.words import say

MODES = (asking.COMPLETE, asking.CHAT)
NAMES = ("constraints", "prefix", "suffix")  # as the model server calls them


def panel(mode: str) -> dict[str, Any]:
    """The fields, closed until somebody wants them; `forced` holds them all."""

    def box(name: str, label: str, help: str, **more: Any) -> gr.Textbox:
        return gr.Textbox(label=label, info=help, elem_id=f"play-{name}", elem_classes="field", **more)

    with gr.Accordion(
        say("Words that must stand"), open=False, elem_id="play-forced", visible=mode in MODES
    ) as forced:
        return {
            "forced": forced,
            "prefix": box("prefix", say("The answer begins with"), say("On its first positions."), lines=1),
            "suffix": box("suffix", say("and ends with"), say("On its last positions."), lines=1),
            "constraints": box(
                "constraints",
                say("Words at positions"),
                say("0 is the answer's first token. A comma or a new line between two."),
                placeholder="5:upon, 9:lantern",
                lines=2,
            ),
        }


def read(mode: str, values: dict[str, str | None]) -> dict[str, Any]:
    """What the fields force on an answer; nothing in modes without an answer. Raises: SpecError."""
    if mode not in MODES:
        return {}
    given = {**values, "constraints": constraints(values["constraints"] or "")}
    return {name: given[name] for name in NAMES if given[name]}


def constraints(text: str) -> dict[int, str]:
    """`5:upon, 9:lantern` as position -> text; a comma that no position follows belongs to its text.

    Raises: SpecError.
    """
    found: dict[int, str] = {}
    for one in re.split(r"\s*(?:,\s*(?=\d+\s*:)|\n)\s*", text.strip()):
        if not one:
            continue
        position, colon, word = one.partition(":")
        if not colon or not word.strip() or not position.strip().isdecimal():
            raise SpecError(say("Words at positions are written as 5:upon; {text} is not.", text=repr(one)))
        if int(position) in found:
            raise SpecError(say("Position {n} is named twice among the words at positions.", n=int(position)))
        found[int(position)] = word.strip()
    return found
