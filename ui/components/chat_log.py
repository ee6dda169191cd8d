"""The turns of a conversation above the canvas."""

from typing import Any

import gradio as gr

from ui.components.script import mount


class ChatLog(gr.HTML):
    """Its value is {"turns": [{"role", "content"}, ...]}; the text is put in by the script beside."""

    def __init__(self, value: dict[str, Any] | None = None, **kwargs: Any):
        super().__init__(
            value=value,
            html_template='<section class="chat-log"></section>',
            js_on_load=mount("chat_log"),
            apply_default_css=False,
            **kwargs,
        )

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "The turns of a conversation."}
