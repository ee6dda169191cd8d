"""A box that finds settings of the form below by their name and help."""

from typing import Any

import gradio as gr

from ui.components.script import mount


class SettingSearch(gr.HTML):
    """Drawn by setting_search.js from a list of {id, name, label, help}: every setting's control."""

    def __init__(self, value: Any = None, **kw: Any):
        super().__init__(
            value=value,
            html_template='<div class="setting-search"></div>',
            js_on_load=mount("setting_search"),
            apply_default_css=False,
            **kw,
        )

    def api_info(self) -> dict[str, Any]:
        """The shape of the value, for the API page."""
        return {"type": "array", "description": "Settings to look in", "items": {"type": "object"}}
