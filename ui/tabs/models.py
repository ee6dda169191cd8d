"""The Models tab: what there is, and what can be done with it."""

import gradio as gr

from ui.components.model_list import ModelList
from ui.page import Page
from ui.parts import heading
from ui.words import say


def build(page: Page) -> None:
    """Draw the tab; the list asks the server by itself."""
    with gr.Column(elem_classes="screen"):
        heading(say("Models"), say("Bundled ones, those in your models folder, and what your runs made."))
        ModelList(elem_id="models-list")
