"""The whole Data tab: a source, what is wrong with it, its figures, what the model will see, its rows."""

from typing import Any

import gradio as gr

from ui.components.script import mount


class DataDesk(gr.HTML):
    """Drawn by data_desk.js from the routes under /api/data. Its value names what can be chosen."""

    def __init__(self, value: Any = None, **kw: Any):
        super().__init__(
            value=value,
            html_template='<div class="data-desk"></div>',
            js_on_load=mount("data_desk"),
            apply_default_css=False,
            **kw,
        )

    def api_info(self) -> dict[str, Any]:
        """The shape of the value, for the API page."""
        return {"type": "object", "description": "Objectives and decisions to choose from"}
