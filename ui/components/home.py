"""The first screen: what goes on and what to do next. All drawing is in the .js beside."""

from typing import Any

import gradio as gr

from ui.components.script import mount


class Home(gr.HTML):
    """Has no value: the jobs never pass through Gradio."""

    def __init__(self, value: dict[str, Any] | None = None, **kwargs: Any):
        super().__init__(
            value=value,
            html_template='<div class="home"></div>',
            js_on_load=mount("home"),
            apply_default_css=False,
            **kwargs,
        )
