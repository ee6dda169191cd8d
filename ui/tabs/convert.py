"""The Convert tab: causal models become diffusion models, formats change, LoRA is merged."""

from dataclasses import replace
from typing import Any

import gradio as gr

from backend.services.checkpoints import ModelView
from jobs.protocol.errors import StudioError
from jobs.specs.families import FAMILIES
from jobs.specs.job import ConvertSpec
from ui import forms
from ui.components.review import Review
from ui.page import Page
from ui.parts import OPEN_JOB, folded, heading, line, section
from ui.review_value import review
from ui.words import say

SOURCE = ["source", "name"]
SHOWN = ["target", "mask_token"]
FOLDED = ["lora_base", "family", "layout", "dtype", "sliding_window", "shifted_logits", "priority"]
NAMES = [*SOURCE, *SHOWN, *FOLDED]
FILE = "convert.yaml"
LISTS = {"family": tuple(FAMILIES), "layout": ("separate", "merged", "fused", "plain", "wrapped")}
QUIET = {"show_progress": "hidden", "api_visibility": "private"}


def build(page: Page) -> None:
    """Draw the tab and wire it to the services."""
    controls: dict[str, Any] = {}
    empty, _ = preview(page, tuple(forms.write(ConvertSpec, NAMES, {})))
    with gr.Column(elem_classes="screen"):
        heading(
            say("Convert"),
            say("Open a causal model to both sides, merge a LoRA adapter, or change a model's format."),
        )
        with gr.Row(elem_classes="walk"):
            with gr.Column(elem_classes="stack"):
                _source(page, controls)
                _settings(controls)
            with gr.Column(elem_classes="stack side"):
                with gr.Column(elem_classes="card"):
                    shown = Review(empty, elem_id="convert-review")
                with gr.Column(elem_classes="card go"):
                    go = gr.Button(
                        say("Start converting"), variant="primary", elem_id="convert-start", interactive=False
                    )
                    line(say("The result appears under Models."))
    order = [controls[name] for name in NAMES]
    started = gr.Textbox(visible=False)

    def refresh(*values: Any) -> tuple[dict[str, Any], Any]:
        return preview(page, values)

    def submit(*values: Any) -> str:
        try:
            return page.studio.jobs.submit(to_data(values)).id
        except StudioError as error:
            gr.Warning(str(error), title=say("Not started"))
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
    with section(say("Source"), "convert-section-source"), gr.Row(elem_classes="start-from"):
        controls["source"] = gr.Dropdown(
            label=say("Model to convert"),
            info=say("A listed model or LoRA adapter, a transformers folder, a .gguf file, or a Hub id."),
            choices=sources(page),
            value=None,
            allow_custom_value=True,
            elem_id="convert-source",
            elem_classes="field",
        )
        controls["name"] = forms.component(name, "convert")


def _settings(controls: dict[str, Any]) -> None:
    with section(say("How"), "convert-section-how"), gr.Row(elem_classes="fields"):
        _draw(controls, SHOWN)
    with folded(say("More"), "convert-section-more"), gr.Row(elem_classes="fields"):
        _draw(controls, FOLDED)


def _draw(controls: dict[str, Any], names: list[str]) -> None:
    for field in forms.fields(ConvertSpec, names):
        if field.name in LISTS:  # words of which some are known: chosen from a list, or typed
            field = replace(field, kind="choice", choices=LISTS[field.name])
            controls[field.name] = forms.component(field, "convert", value=forms.NOT_SET)
        else:
            controls[field.name] = forms.component(field, "convert")


def sources(page: Page) -> list[str]:
    """Listed models, those first that are no diffusion models yet."""
    models = [m for m in page.studio.models.list() if not m.problem]
    return [m.name for m in sorted(models, key=lambda m: m.is_dllm)]


def to_data(values: tuple[Any, ...]) -> dict[str, Any]:
    """The data of a convert spec from the controls' values. Raises: SpecError."""
    data = forms.read(ConvertSpec, NAMES, values)
    unset = {key for key in LISTS if data.get(key) == forms.NOT_SET}
    return {"kind": "convert", **{k: v for k, v in data.items() if v is not None and k not in unset}}


def preview(page: Page, values: tuple[Any, ...]) -> tuple[dict[str, Any], Any]:
    """(review, start button) for the form's values."""
    data = to_data(values)
    if not data.get("source"):
        return {"prefix": "convert", "plan": [say("Choose a model to convert.")]}, gr.update(
            interactive=False
        )
    found = page.studio.training.preview(data)
    shown = review(found, "convert", plan=steps(data, _view(page, data["source"])), file=FILE)
    return shown, gr.update(interactive=not found.problem)


def _view(page: Page, source: str) -> ModelView | None:
    """What is known of the source before the job starts: nothing of a GGUF file or a Hub id."""
    try:
        return page.studio.models.get(source)
    except StudioError:
        return None


def steps(data: dict[str, Any], source: ModelView | None) -> list[str]:
    """What the job will do, a sentence each."""
    found = [say("The adapter is merged into its base.")] if source is not None and source.is_adapter else []
    if source is not None and source.is_dllm:
        found.append(say("It is a diffusion model already; choose what changes: target, layout or dtype."))
    else:
        found += _opening(data)
    if data.get("sliding_window"):
        kept = data["sliding_window"] == "keep"
        found.append(
            say("Window layers keep their window on both sides.")
            if kept
            else say("Window layers see the whole text.")
        )
    if data.get("target") == "official":
        family = FAMILIES.get(data.get("family") or "")
        found.append(
            say("It is written in the official format of {family}, for other programs.", family=family.title)
            if family is not None
            else say("It is written in its family's official format, for other programs.")
        )
    if data.get("layout"):
        found.append(say("Experts are written {layout}.", layout=data["layout"]))
    if data.get("dtype", "auto") != "auto":
        found.append(say("Weights are written as {dtype}.", dtype=data["dtype"]))
    found.append(say("The new folder holds all weights; the source stays as it is."))
    if source is None or not (source.is_dllm or source.is_adapter):
        found.append(say("It needs training before it writes well."))
    return found


def _opening(data: dict[str, Any]) -> list[str]:
    """What happens to a causal model."""
    token = data.get("mask_token")
    return [
        say("Attention opens to both sides in every layer."),
        say("{token} becomes the mask token; it is added if the tokenizer lacks it.", token=token)
        if token
        else say("The tokenizer's own mask token is used; without one, <|mask|> is added."),
        say("Position i - 1 goes on predicting token i.")
        if data.get("shifted_logits")
        else say("Each position predicts its own token from now on."),
    ]
