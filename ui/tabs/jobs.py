"""All runs: devices, queue and history; and one run in detail (?run=ID)."""

import gradio as gr

from ui.components.job_detail import JobDetail
from ui.components.job_list import JobList
from ui.page import Page


def build(page: Page) -> None:
    """Both are drawn in the browser from the event stream; one of them shows at a time."""
    with gr.Column(elem_classes="screen"):
        JobList(elem_id="jobs-list")
        JobDetail(elem_id="job-detail")
