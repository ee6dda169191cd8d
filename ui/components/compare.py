"""Curves and settings of several runs. All drawing is in compare.js and the files named after it."""

from typing import Any

import gradio as gr

from ui.components.script import mount


class Compare(gr.HTML):
    """Has no value: figures never pass through Gradio."""

    def __init__(self, value: dict[str, Any] | None = None, **kwargs: Any):
        super().__init__(
            value=value,
            html_template='<div class="compare"></div>',
            js_on_load=mount("compare"),
            apply_default_css=False,
            **kwargs,
        )
