"""What a training needs of a device's memory, by estimate."""

from typing import Any

import gradio as gr

from ui.components.script import mount


class MemoryNeed(gr.HTML):
    """Drawn by memory_need.js from what ui.train_preview.memory makes."""

    def __init__(self, value: Any = None, **kw: Any):
        super().__init__(
            value=value,
            html_template='<div class="memory-need"></div>',
            js_on_load=mount("memory_need"),
            apply_default_css=False,
            **kw,
        )

    def api_info(self) -> dict[str, Any]:
        """The shape of the value, for the API page."""
        return {"type": "object", "description": "Parts of the memory"}
