"""Side by side: lanes of one prompt under several models or settings. All drawing is in the .js beside."""

from typing import Any

import gradio as gr

from ui.components.script import mount


class LanesPanel(gr.HTML):
    """Its value is what the page's server has to say: {"requests": [ids]}, {"problem": sentence} or
    {"panel": settings for the first lane}. `samplers` says which there are and what can be set."""

    def __init__(
        self, value: dict[str, Any] | None = None, samplers: dict[str, Any] | None = None, **kwargs: Any
    ):
        super().__init__(
            value=value,
            html_template='<section class="panel lanes" aria-label="Side by side"></section>',
            js_on_load=mount("lanes"),
            apply_default_css=False,
            samplers=samplers or {},
            **kwargs,
        )

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "Requests that are shown side by side."}
