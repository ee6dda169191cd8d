"""The Data tab: see what a model will learn from before it starts."""

import gradio as gr

from jobs.specs.objective import OBJECTIVES
from ui.components.data_desk import DataDesk
from ui.page import Page
from ui.parts import heading


def build(page: Page) -> None:
    """Draw the tab."""
    with gr.Column(elem_classes="screen"):
        heading("Data", "What is in a data set, what is wrong with it, and what a model will see of it.")
        DataDesk({"objectives": list(OBJECTIVES)}, elem_id="data-desk")
