"""Runs side by side (?runs=ID,ID), or those of a pipeline or sweep (?group=ID)."""

import gradio as gr

from ui.components.compare import Compare
from ui.page import Page


def build(page: Page) -> None:
    """Drawn in the browser from the API and the event stream."""
    with gr.Column(elem_classes="screen"):
        Compare(elem_id="compare")
