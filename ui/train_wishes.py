"""What other tabs ask of the Train form: a model, or data and what becomes of its bad rows."""

from typing import TYPE_CHECKING, Any

import gradio as gr

from jobs.specs.builders import BUILDERS
from ui import forms, train_form
from ui.components.review import Review

if TYPE_CHECKING:
    from ui.tabs.train import Form

QUIET = {"show_progress": "hidden", "api_visibility": "private"}


def wire(form: "Form", review: Review) -> None:
    """Fill the controls that a wish names; the others stay as they are."""
    parts = {key: dict(form.switches)[key] for key in ("model.source", "data.source")}

    def shown(key: str, chosen: str) -> list[Any]:
        return [chosen, *(gr.update(visible=value == chosen) for value in parts[key])]

    def of_data(name: str, decision: str) -> list[Any]:
        options = BUILDERS[name].options if name in BUILDERS else []
        if not options:
            return [*shown("data.source", train_form.FILE), name, gr.skip(), gr.skip(), decision]
        defaults = forms.as_yaml({option.name: option.default for option in options})
        return [*shown("data.source", train_form.BUILDER), gr.skip(), name, defaults, decision]

    def from_wish(wish: gr.EventData) -> list[Any]:
        model, data = getattr(wish, "model", None), getattr(wish, "data", None)
        skip = [[gr.skip()] * (1 + len(found)) for found in parts.values()]
        return [
            *(shown("model.source", train_form.CHECKPOINT) if model else skip[0]),
            model or gr.skip(),
            *(of_data(data, getattr(wish, "decision", "stop")) if data else [*skip[1], *[gr.skip()] * 4]),
        ]

    of_model = [form.controls["model.source"], *parts["model.source"].values(), form.controls["model.path"]]
    keys = ("data.path", "data.builder", "data.options", "data.on_bad_rows")
    rows = [
        form.controls["data.source"],
        *parts["data.source"].values(),
        *(form.controls[key] for key in keys),
    ]
    review.ask(from_wish, None, [*of_model, *rows], **QUIET)
