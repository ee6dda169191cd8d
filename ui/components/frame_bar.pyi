"""The bar over every tab: the name, what is running now, and the switch between light and dark."""

from typing import Any

import gradio as gr

from gradio.events import Dependency

class FrameBar(gr.HTML):
    """Drawn by frame_bar.js, fed by the job stream."""

    def __init__(self, value: Any = None, **kw: Any):
        super().__init__(
            value=value,
            html_template='<div class="frame-bar"></div>',
            js_on_load='window.studio.mount("frame_bar", element, props, watch)',
            apply_default_css=False,
            **kw,
        )
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component