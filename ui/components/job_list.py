"""The devices and all runs, kept up to date from the event stream. All drawing is in the .js beside."""

from typing import Any

import gradio as gr

from jobs.specs.job import KINDS
from ui.components.script import mount


class JobList(gr.HTML):
    """Has no value: the rows never pass through Gradio."""

    def __init__(self, value: dict[str, Any] | None = None, **kwargs: Any):
        super().__init__(
            value=value,
            html_template=f'<div class="jobs-list" data-kinds="{",".join(KINDS)}"></div>',
            js_on_load=mount("job_list"),
            apply_default_css=False,
            **kwargs,
        )

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "Nothing; the list reads the event stream."}
