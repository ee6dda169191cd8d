"""One run: progress, curves, film strip and log, from the event stream. All drawing is in the .js beside."""

from typing import Any

import gradio as gr

from ui.components.script import mount


class JobDetail(gr.HTML):
    """Has no value: the figures never pass through Gradio."""

    def __init__(self, value: dict[str, Any] | None = None, **kwargs: Any):
        super().__init__(
            value=value,
            html_template='<div class="job-detail"></div>',
            js_on_load=mount("job_detail"),
            apply_default_css=False,
            **kwargs,
        )

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "Nothing; ?run= names the run."}
