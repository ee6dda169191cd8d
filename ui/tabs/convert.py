"""The Convert tab: a causal language model becomes a diffusion language model."""

from typing import Any

import gradio as gr

from jobs.protocol.errors import StudioError
from jobs.specs.job import ConvertSpec
from ui import forms
from ui.components.review import Review
from ui.page import Page
from ui.parts import OPEN_JOB, heading, section
from ui.review_value import review

NAMES = ["name", "source", "mask_token", "sliding_window", "shifted_logits", "dtype"]
FILE = "convert.yaml"
QUIET = {"show_progress": "hidden", "api_visibility": "private"}


def build(page: Page) -> None:
    """Draw the tab and wire it to the services."""
    controls: dict[str, Any] = {}
    empty, _ = preview(page, tuple(forms.write(ConvertSpec, NAMES, {})))
    with gr.Column(elem_classes="screen"):
        heading("Convert", "Open an autoregressive model to both sides; training then teaches it to denoise.")
        with gr.Row(elem_classes="walk"):
            with gr.Column(elem_classes="stack"):
                _source(page, controls)
                _settings(controls)
            with gr.Column(elem_classes="stack side"):
                with gr.Column(elem_classes="card"):
                    shown = Review(empty, elem_id="convert-review")
                with gr.Column(elem_classes="card go"):
                    go = gr.Button(
                        "Start converting", variant="primary", elem_id="convert-start", interactive=False
                    )
                    gr.HTML('<p class="small muted">The result appears under Models, ready to train.</p>')
    order = [controls[name] for name in NAMES]
    started = gr.Textbox(visible=False)

    def refresh(*values: Any) -> tuple[dict[str, Any], Any]:
        return preview(page, values)

    def submit(*values: Any) -> str:
        try:
            return page.studio.jobs.submit(to_data(values)).id
        except StudioError as error:
            gr.Warning(str(error), title="Not started")
            return ""

    gr.on([c.change for c in order], refresh, order, [shown, go], trigger_mode="always_last", **QUIET)
    go.click(submit, order, started, **QUIET).then(None, started, None, js=OPEN_JOB)
    shown.ask(wished, None, controls["source"], **QUIET)
    page.tab.select(lambda: gr.update(choices=sources(page)), None, controls["source"], queue=False, **QUIET)


def wished(wish: gr.EventData) -> str:
    """The source that another tab asked for."""
    return wish.source


def _source(page: Page, controls: dict[str, Any]) -> None:
    name, _ = forms.fields(ConvertSpec, ["name", "source"])
    with section("Source", "convert-section-source"), gr.Row(elem_classes="start-from"):
        controls["source"] = gr.Dropdown(
            label="Model to convert",
            info="A listed model that is no dLLM yet, a transformers folder, a .gguf file, or a Hub id.",
            choices=sources(page),
            value=None,
            allow_custom_value=True,
            elem_id="convert-source",
            elem_classes="field",
        )
        controls["name"] = forms.component(name, "convert")


def _settings(controls: dict[str, Any]) -> None:
    with section("How", "convert-section-how"), gr.Row(elem_classes="fields"):
        for field in forms.fields(ConvertSpec, NAMES[2:]):
            controls[field.name] = forms.component(field, "convert")


def sources(page: Page) -> list[str]:
    """Listed models that are not diffusion models yet."""
    return [m.name for m in page.studio.models.list() if not m.is_dllm and not m.problem]


def to_data(values: tuple[Any, ...]) -> dict[str, Any]:
    """The data of a convert spec from the controls' values. Raises: SpecError."""
    data = forms.read(ConvertSpec, NAMES, values)
    return {"kind": "convert", **{key: value for key, value in data.items() if value is not None}}


def preview(page: Page, values: tuple[Any, ...]) -> tuple[dict[str, Any], Any]:
    """(review, start button) for the form's values."""
    data = to_data(values)
    if not data.get("source"):
        return {"prefix": "convert", "plan": ["Choose a model to convert."]}, gr.update(interactive=False)
    found = page.studio.training.preview(data)
    shown = review(found, "convert", plan=steps(data), file=FILE)
    return shown, gr.update(interactive=not found.problem)


def steps(data: dict[str, Any]) -> list[str]:
    """What the job will do, a sentence each."""
    token = data.get("mask_token")
    return [
        "Attention opens to both sides in every layer.",
        f"{token} becomes the mask token; it is added if the tokenizer lacks it."
        if token
        else "The tokenizer's own mask token is used; without one, <|mask|> is added.",
        "Position i - 1 goes on predicting token i."
        if data.get("shifted_logits")
        else "Each position predicts its own token from now on.",
        "The new folder holds all weights; the source stays as it is.",
        "It needs training before it writes well.",
    ]
