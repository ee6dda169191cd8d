"""The bar over every tab: the name, what is running now, and the switch between light and dark."""

from typing import Any

import gradio as gr

from ui.components.script import mount


class FrameBar(gr.HTML):
    """Drawn by frame_bar.js, fed by the job stream."""

    def __init__(self, value: Any = None, **kw: Any):
        super().__init__(
            value=value,
            html_template='<div class="frame-bar"></div>',
            js_on_load=mount("frame_bar"),
            apply_default_css=False,
            **kw,
        )
