"""What goes on: running, waiting, ended since the last visit; devices, disk, and what to do next."""

import gradio as gr

from ui.components.home import Home
from ui.page import Page


def build(page: Page) -> None:
    """Drawn in the browser from the event stream."""
    with gr.Column(elem_classes="screen"):
        Home(elem_id="home")
