"""What other tabs ask of the Train form: a model; data, how it is read, what becomes of its bad rows."""

from typing import TYPE_CHECKING, Any

import gradio as gr

from jobs.protocol.errors import SpecError
from jobs.specs.builders import BUILDERS
from jobs.specs.data import DataSpec
from ui import forms, train_form
from ui.components.review import Review
from ui.words import say

if TYPE_CHECKING:
    from ui.train_sections import Form

QUIET = {"show_progress": "hidden", "api_visibility": "private"}
READING = [
    *("format", "columns", "template", "answers", "max_length"),
    *("packing", "whole_documents", "separate_documents"),
]
"""Settings of the data that a wish may bring along; those that it leaves out get their defaults."""


def wire(form: "Form", review: Review) -> None:
    """Fill the controls that a wish names; the others stay as they are."""
    parts = {key: dict(form.switches)[key] for key in ("model.source", "data.source")}

    def shown(key: str, chosen: str) -> list[Any]:
        return [chosen, *(gr.update(visible=value == chosen) for value in parts[key])]

    def of_data(name: str, decision: str, reading: str | None) -> list[Any]:
        settings = forms.mapping(reading, "What the Data tab says of the rows")
        read = forms.write(DataSpec, READING, settings) if reading else [gr.skip()] * len(READING)
        options = BUILDERS[name].options if name in BUILDERS else []
        if not options:
            return [*shown("data.source", train_form.FILE), name, gr.skip(), gr.skip(), decision, *read]
        defaults = {option.name: option.default for option in options}
        chosen = forms.as_yaml(defaults | settings.get("options", {}))
        return [*shown("data.source", train_form.BUILDER), gr.skip(), name, chosen, decision, *read]

    def from_wish(wish: gr.EventData) -> list[Any]:
        model, data = getattr(wish, "model", None), getattr(wish, "data", None)
        skip = [[gr.skip()] * (1 + len(found)) for found in parts.values()]
        rows = [*skip[1], *[gr.skip()] * (4 + len(READING))]
        if data:
            try:
                rows = of_data(data, getattr(wish, "decision", "stop"), getattr(wish, "reading", None))
            except SpecError as error:
                gr.Warning(str(error), title=say("The data was not taken over"))
        return [
            *(shown("model.source", train_form.CHECKPOINT) if model else skip[0]),
            model or gr.skip(),
            *rows,
        ]

    of_model = [form.controls["model.source"], *parts["model.source"].values(), form.controls["model.path"]]
    keys = ("data.path", "data.builder", "data.options", "data.on_bad_rows", *(f"data.{n}" for n in READING))
    rows = [
        form.controls["data.source"],
        *parts["data.source"].values(),
        *(form.controls[key] for key in keys),
    ]
    review.ask(from_wish, None, [*of_model, *rows], **QUIET)
