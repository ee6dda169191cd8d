"""The Train tab: a whole training as a form, with the exact spec and command before it starts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from jobs.protocol.errors import StudioError
from jobs.specs.builders import BUILDERS
from jobs.specs.job import TrainSpec
from jobs.specs.load import parse_spec
from jobs.specs.objective import OBJECTIVES
from jobs.specs.probe import probe_of
from ui import forms, starting_points, train_form, train_wishes
from ui.components.review import Review
from ui.components.walk_steps import WalkSteps
from ui.page import Page
from ui.parts import OPEN_JOB, folded, heading, line, section
from ui.train_preview import show
from ui.words import say

YAML_FILES = [".yaml", ".yml", ".json"]
QUIET = {"show_progress": "hidden", "api_visibility": "private"}
NOTE = """const show = () => { element.querySelector("p").textContent = props.value || ""; };
show(); watch("value", show);"""


@dataclass
class Form:
    """The form while it is drawn: what it starts with, its controls, and which parts a choice shows."""

    page: Page
    values: dict[str, Any]
    controls: dict[str, gr.components.Component] = field(default_factory=dict)
    switches: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def order(self) -> list[gr.components.Component]:
        """The controls in the order of train_form.KEYS."""
        return [self.controls[key] for key in train_form.KEYS]

    @property
    def parts(self) -> list[Any]:
        """Every part that a choice shows or hides."""
        return [part for _, parts in self.switches for part in parts.values()]

    def shown(self, values: dict[str, Any]) -> list[Any]:
        """Updates for `parts`: which of them these values show."""
        return [gr.update(visible=values[key] == value) for key, parts in self.switches for value in parts]

    def switch(self, key: str, parts: dict[str, Any]) -> None:
        """Show the part that belongs to a control's value; the others step aside."""
        self.switches.append((key, parts))

        def choose(value: str) -> Any:
            updates = [gr.update(visible=name == value) for name in parts]
            return updates if len(updates) > 1 else updates[0]

        self.controls[key].input(choose, self.controls[key], [*parts.values()], queue=False, **QUIET)

    def starts_as(self, key: str, value: str) -> bool:
        """Whether the form starts with this value."""
        return self.values[key] == value


def build(page: Page) -> None:
    """Draw the tab and wire it to the services."""
    first, about = starting_points.load(page.studio, starting_points.RECIPE + starting_points.FIRST)
    form = Form(page, train_form.to_values(first))
    start_yaml = starting_points.normal_yaml(first)
    shown, strip, _ = show(page.studio, form.values, start_yaml)
    with gr.Column(elem_classes="screen"):
        heading(say("Train"), say("A dLLM from random weights, or further from a checkpoint."))
        steps = WalkSteps(strip, elem_id="train-steps")
        with gr.Row(elem_classes="walk"):
            with gr.Column(elem_classes="stack"):
                filling = _starting_point(form, about)
                _model(form)
                _data(form)
                _objective(form)
                _settings(form)
            with gr.Column(elem_classes="stack side"):
                with gr.Column(elem_classes="card"):
                    review = Review(shown, elem_id="train-review")
                    recipe_name, save = _recipe_fields()
                with gr.Column(elem_classes="card go"):
                    go = gr.Button(say("Start training"), variant="primary", elem_id="train-start")
                    probe = gr.Button(say("Measure three steps"), elem_id="train-probe")
                    line(say("It runs on its own: this page may be closed."))
    assert set(form.controls) == set(train_form.KEYS)
    base, started = gr.State(start_yaml), gr.Textbox(visible=False)
    _wire_filling(form, filling, base, review)
    _wire_starting(form, go, probe, started)
    _wire_saving(form, recipe_name, save)

    def refresh(base_yaml: str, *values: Any) -> tuple[Any, ...]:
        return show(page.studio, _named_values(values), base_yaml)

    changes = [c.change for c in form.order] + [base.change]
    gr.on(changes, refresh, [base, *form.order], [review, steps, go], trigger_mode="always_last", **QUIET)


def _named_values(values: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(train_form.KEYS, values, strict=True))


@dataclass(frozen=True)
class Filling:
    """The controls that fill the whole form, and the line about where it came from."""

    start: gr.Dropdown
    upload: gr.UploadButton
    note: gr.HTML


def _starting_point(form: Form, about: str) -> Filling:
    studio = form.page.studio
    with section(say("Start from"), "train-section-start"):
        group = gr.Radio(
            starting_points.GROUPS,
            label=say("Show"),
            value=starting_points.DEMOS,
            elem_id="train-from-group",
            elem_classes="field seg",
        )
        with gr.Row(elem_classes="start-from"):
            start = gr.Dropdown(
                label=say("Recipe, earlier run, or a YAML file"),
                info=say("Fills the whole form. A path on the server's disk can be typed in."),
                choices=starting_points.choices(studio),
                value=starting_points.RECIPE + starting_points.FIRST,
                allow_custom_value=True,
                elem_id="train-from",
                elem_classes="field",
            )
            _named(form, "name")
            upload = gr.UploadButton(
                say("Load a file"), file_types=YAML_FILES, elem_id="train-upload", type="binary"
            )
        note = gr.HTML(
            about, elem_id="train-note", html_template='<p class="small muted"></p>', js_on_load=NOTE
        )

    def offer(shown: str) -> Any:
        return gr.update(choices=starting_points.choices(studio, shown))

    form.page.tab.select(offer, group, start, queue=False, **QUIET)
    group.input(offer, group, start, queue=False, **QUIET)
    return Filling(start, upload, note)


def _model(form: Form) -> None:
    with section(say("Model"), "train-section-model"), gr.Row(elem_classes="fields"):
        form.controls["model.source"] = gr.Radio(
            [train_form.CHECKPOINT, train_form.NEW],
            label=say("Start from"),
            info=say("A model goes on where it is; random weights start anew."),
            value=form.values["model.source"],
            elem_classes="field seg",
            elem_id="train-model-source",
        )
        path = gr.Dropdown(
            label=say("Model"),
            info=say("A listed dLLM, run:ID, or a folder on the server's disk."),
            choices=_models(form.page),
            value=form.values["model.path"],
            allow_custom_value=True,
            visible=form.starts_as("model.source", train_form.CHECKPOINT),
            elem_id="train-model-path",
            elem_classes="field",
        )
        with gr.Column(
            elem_classes="contents", visible=form.starts_as("model.source", train_form.NEW)
        ) as new:
            _group(form, "model.new", only=["architecture", "family", "tokenizer"])
            _group(form, "model.new", but=["architecture", "family", "tokenizer"])
    form.controls["model.path"] = path
    form.page.tab.select(lambda: gr.update(choices=_models(form.page)), None, path, queue=False, **QUIET)
    form.switch("model.source", {train_form.CHECKPOINT: path, train_form.NEW: new})


def _models(page: Page) -> list[str]:
    return [m.name for m in page.studio.models.list() if m.is_dllm and not m.problem]


def _files(page: Page) -> list[str]:
    return [d.name for d in page.studio.datasets.list() if d.source != "builder" and d.format != "prompts"]


def _data(form: Form) -> None:
    with section(say("Data"), "train-section-data"), gr.Row(elem_classes="fields"):
        form.controls["data.source"] = gr.Radio(
            [train_form.FILE, train_form.BUILDER],
            label=say("Rows from"),
            info=say("A file of yours, or rows that a builder makes when the job starts."),
            value=form.values["data.source"],
            elem_classes="field seg",
            elem_id="train-data-source",
        )
        path = gr.Dropdown(
            label=say("Data set"),
            info=say("A listed one, or a JSONL, JSON or text file on the server's disk."),
            choices=_files(form.page),
            value=form.values["data.path"],
            allow_custom_value=True,
            visible=form.starts_as("data.source", train_form.FILE),
            elem_id="train-data-path",
            elem_classes="field",
        )
        made = _builder(form)
        _group(form, "data")
    form.controls["data.path"] = path
    form.page.tab.select(lambda: gr.update(choices=_files(form.page)), None, path, queue=False, **QUIET)
    form.switch("data.source", {train_form.FILE: path, train_form.BUILDER: made})


def _builder(form: Form) -> gr.Column:
    with gr.Column(
        elem_classes="contents", visible=form.starts_as("data.source", train_form.BUILDER)
    ) as made:
        builder = gr.Dropdown(
            label=say("Builder"),
            info=train_form.about_builder(form.values["data.builder"]),
            choices=list(BUILDERS),
            value=form.values["data.builder"],
            elem_id="train-data-builder",
            elem_classes="field",
        )
        options = gr.Textbox(
            label=say("Options"),
            info=say("Options of the builder, one on a line: rows: 8000."),
            value=form.values["data.options"],
            lines=4,
            elem_id="train-data-options",
            elem_classes="field mapping",
        )
    form.controls |= {"data.builder": builder, "data.options": options}
    hints = {b.name: forms.as_yaml({o.name: o.default for o in b.options}) for b in BUILDERS.values()}
    builder.input(lambda name: hints.get(name, ""), builder, options, queue=False, **QUIET)
    builder.change(
        lambda name: gr.update(info=train_form.about_builder(name)), builder, builder, queue=False, **QUIET
    )
    return made


def _objective(form: Form) -> None:
    with section(say("Objective"), "train-section-objective"), gr.Row(elem_classes="fields"):
        form.controls["objective.name"] = gr.Dropdown(
            label=say("Objective"),
            info=say("How tokens are masked and the loss is weighted. The review names the checkpoint's."),
            choices=[train_form.FOLLOW, *OBJECTIVES],
            value=form.values["objective.name"],
            filterable=False,
            elem_classes="field",
            elem_id="train-objective-name",
        )
        groups = {}
        for name in OBJECTIVES:
            shown = form.starts_as("objective.name", name)
            with gr.Column(elem_classes="contents", visible=shown) as groups[name]:
                _group(form, f"objective.{name}")
    form.switch("objective.name", groups)


def _settings(form: Form) -> None:
    with section(say("Optimisation"), "train-section-optimisation"), gr.Row(elem_classes="fields"):
        _group(form, "optimisation", but=train_form.RARE["optimisation"])
    with folded(say("More optimisation"), "train-section-optimisation-more"), gr.Row(elem_classes="fields"):
        _group(form, "optimisation", only=train_form.RARE["optimisation"])
    general = ["method", "modules_to_save", "layers", "freeze"]
    with folded(say("Tuning"), "train-section-tuning"), gr.Row(elem_classes="fields"):
        _group(form, "tuning", only=general)
        with gr.Column(elem_classes="contents", visible=form.starts_as("tuning.method", "lora")) as lora:
            _group(form, "tuning", but=general)
    form.switch("tuning.method", {"lora": lora})
    several = ["hosts", "hostfile", "rendezvous", "sequence_parallel"]
    of_deepspeed, of_both = ["zero_stage", "offload"], ["offload_weights"]
    with folded(say("Launcher"), "train-section-launcher"), gr.Row(elem_classes="fields"):
        _group(form, "launcher", but=[*several, *of_deepspeed, *of_both])
        _group(form, "launcher", only=[*several, *of_both])
        is_split = form.starts_as("launcher.name", "deepspeed")
        with gr.Column(elem_classes="contents", visible=is_split) as deepspeed:
            _group(form, "launcher", only=of_deepspeed)
    form.switch("launcher.name", {"deepspeed": deepspeed})
    with folded(say("Runs on"), "train-section-slurm"), gr.Row(elem_classes="fields"):
        _machines(form)
    with folded(say("Report"), "train-section-report"), gr.Row(elem_classes="fields"):
        _group(form, "report")
    with folded(say("Queue"), "train-section-queue"), gr.Row(elem_classes="fields"):
        _named(form, "priority")
        _group(form, "queue")


def _machines(form: Form) -> None:
    """This machine, or a Slurm cluster with its settings."""
    form.controls["slurm.on"] = gr.Radio(
        [train_form.HERE, train_form.SLURM],
        label=say("Runs on"),
        info=say("Slurm: a cluster that shares the home folder's disk. The job waits in its queue."),
        value=form.values["slurm.on"],
        elem_classes="field seg",
        elem_id="train-slurm-on",
    )
    with gr.Column(elem_classes="contents", visible=form.starts_as("slurm.on", train_form.SLURM)) as cluster:
        _group(form, "slurm")
    form.switch("slurm.on", {train_form.SLURM: cluster})


def _named(form: Form, name: str) -> None:
    """Draw a setting that every job has."""
    (setting,) = forms.fields(TrainSpec, [name])
    label = {"name": say("Name"), "priority": say("Priority")}[name]
    form.controls[name] = forms.component(
        setting, "train", value=form.values[name], label=label, elem_classes=["field", setting.kind]
    )


def _group(form: Form, place: str, only: list[str] | None = None, but: list[str] | None = None) -> None:
    """Draw the controls of one group of the spec."""
    spec_class, names = train_form.GROUPS[place]
    wanted = [n for n in names if (only is None or n in only) and n not in (but or [])]
    for setting in forms.fields(spec_class, wanted):
        key, prefix = f"{place}.{setting.name}", "train-" + place.replace(".", "-")
        form.controls[key] = forms.component(setting, prefix, value=form.values[key])


def _wire_filling(form: Form, filling: Filling, base: gr.State, review: Review) -> None:
    """Recipes, runs, files and wishes of other tabs fill the form."""
    outputs = [base, filling.note, *form.order, *form.parts]

    def fill(data: dict[str, Any], about: str) -> list[Any]:
        values = train_form.to_values(data)
        settings = [values[key] for key in train_form.KEYS]
        return [starting_points.normal_yaml(data), about, *settings, *form.shown(values)]

    def guarded(work: Callable[[], tuple[dict[str, Any], str]]) -> list[Any]:
        try:
            return fill(*work())
        except StudioError as error:  # a wrong file leaves the form as it is
            gr.Warning(str(error), title=say("The form was not filled"))
            return [gr.skip()] * len(outputs)

    def from_choice(chosen: str) -> list[Any]:
        return guarded(lambda: starting_points.load(form.page.studio, chosen))

    def from_upload(content: bytes) -> list[Any]:
        return guarded(lambda: starting_points.from_bytes(content))

    filling.start.input(from_choice, filling.start, outputs, **QUIET)
    filling.upload.upload(from_upload, filling.upload, outputs, **QUIET)
    train_wishes.wire(form, review)


def _recipe_fields() -> tuple[gr.Textbox, gr.Button]:
    with gr.Row(elem_classes="save-recipe"):
        name = gr.Textbox(
            label=say("Keep as a recipe"),
            info=say("Small letters, digits and hyphens; it appears under Start from."),
            placeholder="my-first-run",
            elem_id="train-recipe-name",
            elem_classes="field",
        )
        return name, gr.Button(say("Save"), elem_id="train-recipe-save")


def _wire_starting(form: Form, go: gr.Button, probe: gr.Button, started: gr.Textbox) -> None:
    """Start the job, or a probe of it."""
    studio = form.page.studio

    def submit(*values: Any, measure: bool = False) -> str:
        try:
            spec = parse_spec(train_form.to_data(_named_values(values)))
            return studio.jobs.submit(probe_of(spec) if measure else spec).id
        except StudioError as error:
            gr.Warning(str(error), title=say("Not started"))
            return ""

    def measure(*values: Any) -> str:
        return submit(*values, measure=True)

    go.click(submit, form.order, started, **QUIET).then(None, started, None, js=OPEN_JOB)
    probe.click(measure, form.order, started, **QUIET).then(None, started, None, js=OPEN_JOB)


def _wire_saving(form: Form, name: gr.Textbox, save: gr.Button) -> None:
    """Keep the form's spec as a recipe."""
    studio = form.page.studio

    def keep(chosen: str, *values: Any) -> None:
        try:
            recipe = studio.training.save_recipe(chosen or "", train_form.to_data(_named_values(values)))
        except StudioError as error:
            gr.Warning(str(error), title=say("Not saved"))
        else:
            gr.Info(say("Saved as {path}.", path=recipe.path), title=say("Recipe saved"))

    save.click(keep, [name, *form.order], None, **QUIET)
