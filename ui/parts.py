"""Small pieces of layout that every screen uses."""

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import gradio as gr


def heading(title: str, note: str = "") -> gr.HTML:
    """A screen's title with one line about it."""
    return gr.HTML(f'<div class="head"><h1>{escape(title)}</h1><p class="muted">{escape(note)}</p></div>')


@contextmanager
def section(title: str, elem_id: str, note: str = "") -> Iterator[None]:
    """A titled panel of a form."""
    with gr.Column(elem_classes="card section", elem_id=elem_id):
        extra = f'<p class="small muted">{escape(note)}</p>' if note else ""
        gr.HTML(f'<div class="head"><h2>{escape(title)}</h2>{extra}</div>')
        yield
