"""Small pieces of layout that every screen uses."""

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import gradio as gr

# Runs in the page with the id of a job that was just submitted; "" where it was refused.
OPEN_JOB = "(id) => { if (id) window.studio.open('jobs', {run: id}); }"
TEXT = """const show = () => { element.querySelector("p").textContent = props.value || ""; };
show(); watch("value", show);"""


def heading(title: str, note: str = "") -> gr.HTML:
    """A screen's title with one line about it."""
    text = f'<h1>{escape(title)}</h1><p class="muted">{escape(note)}</p>'
    return gr.HTML(f'<div class="head title">{text}</div>')


def line(text: str) -> gr.HTML:
    """A quiet sentence."""
    return gr.HTML(f'<p class="small muted">{escape(text)}</p>')


def live_line(text: str, elem_id: str) -> gr.HTML:
    """A quiet sentence that events change; whatever it holds is shown as text."""
    return gr.HTML(
        text, elem_id=elem_id, html_template='<p class="small muted" role="status"></p>', js_on_load=TEXT
    )


@contextmanager
def section(title: str, elem_id: str, note: str = "") -> Iterator[None]:
    """A titled panel of a form."""
    with gr.Column(elem_classes="card section", elem_id=elem_id):
        extra = f'<p class="small muted">{escape(note)}</p>' if note else ""
        gr.HTML(f'<div class="head"><h2>{escape(title)}</h2>{extra}</div>')
        yield


def folded(title: str, elem_id: str) -> gr.Accordion:
    """A titled panel that starts closed: what most people leave as it is."""
    return gr.Accordion(title, open=False, elem_classes="card section folded", elem_id=elem_id)
