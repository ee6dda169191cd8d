"""The Data tab: see what a model will learn from before it starts."""

from dataclasses import asdict
from typing import Any

import gradio as gr

from jobs.specs.builders import BUILDERS, BuilderOption
from jobs.specs.data import DataSpec
from jobs.specs.objective import OBJECTIVES
from ui import forms
from ui.components.data_desk import DataDesk
from ui.page import Page
from ui.parts import heading
from ui.words import say

READING = (
    *("format", "columns", "template", "answers"),
    *("packing", "whole_documents", "separate_documents"),
)
"""Settings of a DataSpec that say how rows are read."""
NONE = {
    "template": say("the model's own, else plain"),
    "answers": say("as the objective's authors do"),
}
"""What a choice is called that is left open."""
KINDS = {bool: "flag", int: "whole", float: "decimal", str: "words"}


def build(page: Page) -> None:
    """Draw the tab."""
    with gr.Column(elem_classes="screen"):
        heading(
            say("Data"), say("What is in a data set, what is wrong with it, and what a model will see of it.")
        )
        DataDesk(choices(), elem_id="data-desk")


def choices() -> dict[str, Any]:
    """What can be chosen: objectives, settings of reading, and the options of each builder."""
    return {
        "objectives": list(OBJECTIVES),
        "reading": [asdict(f) | {"none": NONE.get(f.name)} for f in forms.fields(DataSpec, READING)],
        "builders": {b.name: [asdict(_option(option)) for option in b.options] for b in BUILDERS.values()},
    }


def _option(option: BuilderOption) -> forms.Field:
    """A builder's option as a control. One without a default is a number that may be left out."""
    kind = KINDS.get(type(option.default), "whole")
    return forms.Field(
        name=option.name,
        kind=kind,
        label=option.name,
        help=option.help,
        default=option.default,
        optional=option.default is None,
    )
