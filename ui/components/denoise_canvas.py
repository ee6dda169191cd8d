"""The denoise canvas: shows one trajectory live, from the event stream. All drawing is in the .js beside."""

from typing import Any

import gradio as gr

from ui.components.script import mount


class DenoiseCanvas(gr.HTML):
    """Its value is a small handle, {"request": id}; the frames never pass through Gradio."""

    def __init__(self, value: dict[str, Any] | None = None, **kwargs: Any):
        super().__init__(
            value=value,
            html_template='<section class="panel denoise"></section>',
            js_on_load=mount("denoise_canvas"),
            apply_default_css=False,
            **kwargs,
        )

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "Handle of a sampling request."}
