"""The right-hand column of a form: what would start, exactly, and what stands in the way."""

from typing import Any

import gradio as gr

# `ask` carries what another tab wants of this form: {"model": name}, {"source": name} or
# {"data": name, "decision": what becomes of its bad rows, "reading": settings of the data as JSON}.
# `fill` carries what the whole form starts from: {"start": a recipe or run} or {"spec": YAML of a link}.
SCRIPT = """element.ask = (detail) => trigger("ask", detail);
element.fill = (detail) => trigger("fill", detail);
window.studio.mount("review", element, props, watch)"""


class Review(gr.HTML):
    """Drawn by review.js from what ui.review_value makes."""

    def __init__(self, value: Any = None, **kw: Any):
        super().__init__(
            value=value,
            html_template='<div class="review"></div>',
            js_on_load=SCRIPT,
            apply_default_css=False,
            **kw,
        )

    def api_info(self) -> dict[str, Any]:
        """The shape of the value, for the API page."""
        return {"type": "object", "description": "What would start"}
