"""A form as a walk: the strip of its steps over it, and the way on and back below."""

from typing import Any

import gradio as gr

from ui.components.script import mount


class WalkSteps(gr.HTML):
    """Drawn by walk_steps.js from a list of {name, title, text, values, state: ok | bad}."""

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
        return {"type": "array", "description": "Steps of the form", "items": {"type": "object"}}


class WalkTurns(gr.HTML):
    """The buttons to the step before and the next one."""

    def __init__(self, value: Any = None, **kw: Any):
        super().__init__(
            value=value,
            html_template='<div class="walk-turns"></div>',
            js_on_load=mount("walk_turns"),
            apply_default_css=False,
            **kw,
        )

    def api_info(self) -> dict[str, Any]:
        """The shape of the value, for the API page."""
        return {"type": "object", "description": "Nothing; the steps are those of the form"}
