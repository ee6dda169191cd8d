"""The strip over a form: its sections, what is chosen in each, and where something is wrong."""

from typing import Any

import gradio as gr

from ui.components.script import mount


class WalkSteps(gr.HTML):
    """Drawn by walk_steps.js from a list of {title, text, target, state: ok | bad}."""

    def __init__(self, value: Any = None, **kw: Any):
        super().__init__(
            value=value,
            html_template='<div class="walk-steps"></div>',
            js_on_load=mount("walk_steps"),
            apply_default_css=False,
            **kw,
        )

    def api_info(self) -> dict[str, Any]:
        """The shape of the value, for the API page."""
        return {"type": "array", "description": "Sections of the form", "items": {"type": "object"}}
