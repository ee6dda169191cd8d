"""All models with what one should know of each, and where they can be used."""

from typing import Any

import gradio as gr

from ui.components.script import mount


class ModelList(gr.HTML):
    """Drawn by model_list.js from GET /api/models."""

    def __init__(self, value: Any = None, **kw: Any):
        super().__init__(
            value=value,
            html_template='<div class="model-list"></div>',
            js_on_load=mount("model_list"),
            apply_default_css=False,
            **kw,
        )
