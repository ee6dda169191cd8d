"""The Train tab: a whole training as a form, with the exact spec and command before it starts."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from jobs.protocol.errors import StudioError
from jobs.specs.builders import BUILDERS
from jobs.specs.job import TrainSpec
from jobs.specs.objective import OBJECTIVES
from ui import forms, starting_points, train_form
from ui.components.review import Review
from ui.components.walk_steps import WalkSteps
from ui.page import Page
from ui.parts import heading, section
from ui.train_preview import show

Controls = dict[str, gr.components.Component]
OPEN_JOB = "(id) => { if (id) window.studio.open('jobs', {run: id}); }"


def build(page: Page) -> None:
    """Draw the tab and wire it to the services."""
    controls: Controls = {}
    with gr.Column(elem_classes="screen"):
        heading("Train", "A dLLM from random weights, or further from a checkpoint.")
        steps = WalkSteps(elem_id="train-steps")
        with gr.Row(elem_classes="walk"):
            with gr.Column(elem_classes="stack"):
                start, upload, note = _starting_point(page)
                _model(page, controls)
                _data(page, controls)
                _objective(controls)
                _settings(controls)
            with gr.Column(elem_classes="stack side"):
                with gr.Column(elem_classes="card"):
                    review = Review(elem_id="train-review")
                with gr.Column(elem_classes="card"):
                    go = gr.Button("Start training", variant="primary", elem_id="train-start")
                    gr.HTML('<p class="small muted">It runs on its own: this page may be closed.</p>')
                    _save_recipe(page, controls)
    base = gr.State("")
    started = gr.Textbox(visible=False)
    assert set(controls) == set(train_form.KEYS)
    order = [controls[key] for key in train_form.KEYS]
    _wire_filling(page, start, upload, note, base, controls, review)

    def refresh(base_yaml: str, *values: Any) -> tuple[Any, ...]:
        return show(page.studio, dict(zip(train_form.KEYS, values, strict=True)), base_yaml)

    def submit(*values: Any) -> str:
        try:
            data = train_form.to_data(dict(zip(train_form.KEYS, values, strict=True)))
            return page.studio.jobs.submit(data).id
        except StudioError as error:
            gr.Warning(str(error), title="Not started")
            return ""

    changes = [c.change for c in order] + [base.change]
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    gr.on(changes, refresh, [base, *order], [review, steps, go], trigger_mode="always_last", **quiet)
    go.click(submit, order, started, **quiet).then(None, started, None, js=OPEN_JOB)


def _starting_point(page: Page) -> tuple[gr.Dropdown, gr.UploadButton, gr.HTML]:
    with section("Start from", "train-section-start"):
        with gr.Row(elem_classes="start-from"):
            start = gr.Dropdown(
                label="Recipe, earlier run, or a YAML file",
                info="Fills the whole form. A path on the server's disk can be typed in.",
                choices=starting_points.choices(page.studio),
                value=starting_points.RECIPE + starting_points.FIRST,
                allow_custom_value=True,
                elem_id="train-from",
                elem_classes="field",
            )
            upload = gr.UploadButton(
                "Load YAML", file_types=[".yaml", ".yml"], elem_id="train-upload", type="binary"
            )
        note = gr.HTML(elem_id="train-note", html_template='<p class="small muted"></p>', js_on_load=NOTE)
    page.tab.select(lambda: gr.update(choices=starting_points.choices(page.studio)), None, start, queue=False)
    return start, upload, note


NOTE = """const show = () => { element.querySelector("p").textContent = props.value || ""; };
show(); watch("value", show);"""


def _model(page: Page, controls: Controls) -> None:
    with section("Model", "train-section-model"):
        with gr.Row(elem_classes="fields"):
            source = gr.Radio(
                [train_form.CHECKPOINT, train_form.NEW],
                label="Start from",
                info="A model goes on where it is; random weights start anew.",
                elem_classes="field seg",
                elem_id="train-model-source",
            )
            path = gr.Dropdown(
                label="Model",
                info="A listed dLLM, run:ID, or a folder on the server's disk.",
                choices=_models(page),
                value=None,
                allow_custom_value=True,
                elem_id="train-model-path",
                elem_classes="field",
            )
        with gr.Row(elem_classes="fields") as new:
            _group(controls, "model.new")
    controls |= {"model.source": source, "model.path": path}
    page.tab.select(lambda: gr.update(choices=_models(page)), None, path, queue=False)
    _switch(source, {train_form.CHECKPOINT: path, train_form.NEW: new})


def _models(page: Page) -> list[str]:
    return [m.name for m in page.studio.models.list() if m.is_dllm and not m.problem]


def _data(page: Page, controls: Controls) -> None:
    files = [d.name for d in page.studio.datasets.list() if d.source != "builder" and d.format != "prompts"]
    with section("Data", "train-section-data"):
        with gr.Row(elem_classes="fields"):
            source = gr.Radio(
                [train_form.FILE, train_form.BUILDER],
                label="Rows from",
                info="A file of yours, or rows that a builder makes when the job starts.",
                elem_classes="field seg",
                elem_id="train-data-source",
            )
            path = gr.Dropdown(
                label="Data set",
                info="A listed one, or a JSONL, JSON or text file on the server's disk.",
                choices=files,
                value=None,
                allow_custom_value=True,
                elem_id="train-data-path",
                elem_classes="field",
            )
            with gr.Column(elem_classes="contents") as made:
                builder = gr.Dropdown(
                    label="Builder",
                    info=" ".join(f"{b.name}: {b.description}." for b in BUILDERS.values()),
                    choices=list(BUILDERS),
                    value=None,
                    elem_id="train-data-builder",
                    elem_classes="field",
                )
                options = gr.Textbox(
                    label="Options",
                    info="Options of the builder, one on a line: rows: 8000.",
                    lines=3,
                    elem_id="train-data-options",
                    elem_classes="field mono mapping",
                )
            _group(controls, "data")
    controls |= {"data.source": source, "data.path": path, "data.builder": builder, "data.options": options}
    _switch(source, {train_form.FILE: path, train_form.BUILDER: made})
    hints = {b.name: forms.as_yaml({o.name: o.default for o in b.options}) for b in BUILDERS.values()}
    builder.input(lambda name: hints.get(name, ""), builder, options, queue=False, show_progress="hidden")


def _objective(controls: Controls) -> None:
    with section("Objective", "train-section-objective"), gr.Row(elem_classes="fields"):
        name = gr.Radio(
            list(OBJECTIVES),
            label="Objective",
            info="How tokens are masked and how the loss is weighted.",
            elem_classes="field seg",
            elem_id="train-objective-name",
        )
        groups = {}
        for objective in OBJECTIVES:
            with gr.Column(elem_classes="contents") as groups[objective]:
                _group(controls, f"objective.{objective}")
    controls["objective.name"] = name
    _switch(name, groups)


def _settings(controls: Controls) -> None:
    with section("Optimisation", "train-section-optimisation"), gr.Row(elem_classes="fields"):
        _group(controls, "optimisation")
    with section("Tuning", "train-section-tuning"), gr.Row(elem_classes="fields"):
        _group(controls, "tuning", only=["method"])
        with gr.Column(elem_classes="contents") as lora:
            _group(controls, "tuning", but=["method"])
    _switch(controls["tuning.method"], {"lora": lora})
    with section("Launcher", "train-section-launcher"), gr.Row(elem_classes="fields"):
        _group(controls, "launcher", but=["zero_stage", "offload"])
        with gr.Column(elem_classes="contents") as deepspeed:
            _group(controls, "launcher", only=["zero_stage", "offload"])
    _switch(controls["launcher.name"], {"deepspeed": deepspeed})
    with section("Report", "train-section-report"), gr.Row(elem_classes="fields"):
        for field in forms.fields(TrainSpec, ["name", "priority"]):
            controls[field.name] = forms.component(field, "train")
        _group(controls, "report")


def _group(
    controls: Controls, place: str, only: list[str] | None = None, but: list[str] | None = None
) -> None:
    """Draw the controls of one group of the spec."""
    spec_class, names = train_form.GROUPS[place]
    wanted = [n for n in names if (only is None or n in only) and n not in (but or [])]
    for field in forms.fields(spec_class, wanted):
        prefix = "train-" + place.replace(".", "-")
        controls[f"{place}.{field.name}"] = forms.component(field, prefix)


def _switch(control: Any, parts: dict[str, Any]) -> None:
    """Show the part that belongs to the control's value; the others step aside."""

    def choose(value: str) -> Any:
        shown = [gr.update(visible=name == value) for name in parts]
        return shown if len(shown) > 1 else shown[0]

    control.change(
        choose, control, [*parts.values()], queue=False, show_progress="hidden", api_visibility="private"
    )


def _wire_filling(
    page: Page,
    start: gr.Dropdown,
    upload: gr.UploadButton,
    note: gr.HTML,
    base: gr.State,
    controls: Controls,
    review: Review,
) -> None:
    """Recipes, runs, files and wishes of other tabs fill the form."""
    order = [controls[key] for key in train_form.KEYS]
    outputs = [base, note, *order]

    def fill(data: dict[str, Any], about: str) -> list[Any]:
        values = train_form.to_values(data)
        return [starting_points.normal_yaml(data), about, *(values[key] for key in train_form.KEYS)]

    def from_choice(chosen: str) -> list[Any]:
        return _guarded(lambda: fill(*starting_points.load(page.studio, chosen)), len(outputs))

    def from_upload(content: bytes) -> list[Any]:
        return _guarded(lambda: fill(*starting_points.from_bytes(content)), len(outputs))

    def from_wish(wish: gr.EventData) -> Any:
        return [train_form.CHECKPOINT, wish.model]

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    start.input(from_choice, start, outputs, **quiet)
    upload.upload(from_upload, upload, outputs, **quiet)
    gr.on(None, lambda: from_choice(starting_points.RECIPE + starting_points.FIRST), None, outputs, **quiet)
    review.ask(from_wish, None, [controls["model.source"], controls["model.path"]], **quiet)


def _guarded(work: Callable[[], list[Any]], count: int) -> list[Any]:
    """The work's result; a wrong file leaves the form as it is and says why."""
    try:
        return work()
    except StudioError as error:
        gr.Warning(str(error), title="The form was not filled")
        return [gr.skip()] * count


def _save_recipe(page: Page, controls: Controls) -> None:
    with gr.Row(elem_classes="save-recipe"):
        name = gr.Textbox(
            label="Keep as a recipe",
            info="Small letters, digits and hyphens. It appears under Start from.",
            placeholder="my-first-run",
            elem_id="train-recipe-name",
            elem_classes="field",
        )
        save = gr.Button("Save", elem_id="train-recipe-save")

    def keep(chosen: str, *values: Any) -> None:
        try:
            data = train_form.to_data(dict(zip(train_form.KEYS, values, strict=True)))
            recipe = page.studio.training.save_recipe(chosen or "", data)
        except StudioError as error:
            gr.Warning(str(error), title="Not saved")
        else:
            gr.Info(f"Saved as {recipe.path}.", title="Recipe saved")

    save.click(
        keep,
        [name, *(controls[key] for key in train_form.KEYS)],
        None,
        show_progress="hidden",
        api_visibility="private",
    )
