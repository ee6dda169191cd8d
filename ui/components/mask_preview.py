"""The rows that are chosen in a form as the model will see them, with their masks."""

from typing import Any

import gradio as gr

from ui.components.script import mount


class MaskPreview(gr.HTML):
    """Drawn by mask_preview.js from {data, model, objective}, parts of a spec; empty: they cannot be read."""

    def __init__(self, value: Any = None, **kw: Any):
        super().__init__(
            value=value,
            html_template='<div class="mask-preview"></div>',
            js_on_load=mount("mask_preview"),
            apply_default_css=False,
            **kw,
        )

    def api_info(self) -> dict[str, Any]:
        """The shape of the value, for the API page."""
        return {"type": "object", "description": "Data, model and objective of a spec"}
