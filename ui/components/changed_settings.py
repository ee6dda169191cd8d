"""What differs from where the form started: a list, and a Reset beside each changed control."""

from typing import Any

import gradio as gr

# `reset` carries {"key": a setting's}, or {} for all of them.
SCRIPT = """element.reset = (detail) => trigger("reset", detail);
window.studio.mount("changed_settings", element, props, watch)"""


class ChangedSettings(gr.HTML):
    """Drawn by changed_settings.js from a list of {id, key, before, now}."""

    def __init__(self, value: Any = None, **kw: Any):
        super().__init__(
            value=value,
            html_template='<div class="changed-settings"></div>',
            js_on_load=SCRIPT,
            apply_default_css=False,
            **kw,
        )

    def api_info(self) -> dict[str, Any]:
        """The shape of the value, for the API page."""
        return {"type": "array", "description": "Settings that were changed", "items": {"type": "object"}}
