"""The Train form, drawn step by step: model, data, recipe, resources. Each setting has a control."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from jobs.specs.builders import BUILDERS
from jobs.specs.job import TrainSpec
from jobs.specs.objective import OBJECTIVES
from ui import forms, train_form
from ui.page import Page
from ui.parts import folded, line, section
from ui.words import say

QUIET = {"show_progress": "hidden", "api_visibility": "private"}


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

    def shown(self, values: dict[str, Any], of: str | None = None) -> list[Any]:
        """Updates for `parts`: which of them these values show; `of`: of one control alone."""
        return [
            gr.update(visible=values[key] == value) if of in (None, key) else gr.skip()
            for key, parts in self.switches
            for value in parts
        ]

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


@contextmanager
def step(name: str) -> Iterator[None]:
    """One step of the walk; walk_steps.js shows one at a time."""
    with gr.Column(elem_classes="stack step", elem_id=f"train-step-{name}"):
        yield


def model(form: Form) -> None:
    """A checkpoint, or random weights."""
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


def data(form: Form) -> None:
    """The rows, and how they are read."""
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
        _group(form, "data", but=train_form.RARE["data"])
    with folded(say("More about the rows"), "train-section-data-more"), gr.Row(elem_classes="fields"):
        _group(form, "data", only=train_form.RARE["data"])
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


def recipe(form: Form) -> None:
    """What is learned and how: objective, optimisation, tuning, reports."""
    _objective(form)
    with section(say("Optimisation"), "train-section-optimisation"), gr.Row(elem_classes="fields"):
        _group(form, "optimisation", but=train_form.RARE["optimisation"])
    with folded(say("More optimisation"), "train-section-optimisation-more"), gr.Row(elem_classes="fields"):
        _group(form, "optimisation", only=train_form.RARE["optimisation"])
    general = ["method", "modules_to_save", "layers", "freeze"]
    with folded(say("Tuning: all weights, or LoRA"), "train-section-tuning"), gr.Row(elem_classes="fields"):
        _group(form, "tuning", only=general)
        with gr.Column(elem_classes="contents", visible=form.starts_as("tuning.method", "lora")) as lora:
            _group(form, "tuning", but=general)
    form.switch("tuning.method", {"lora": lora})
    with (
        folded(say("Report: what is logged, saved and shown"), "train-section-report"),
        gr.Row(elem_classes="fields"),
    ):
        _group(form, "report")


def resources(form: Form) -> None:
    """Where it runs, with how many processes, and when."""
    several = ["hosts", "hostfile", "rendezvous", "sequence_parallel"]
    of_deepspeed, of_both = ["zero_stage", "offload"], ["offload_weights"]
    with section(say("Launcher"), "train-section-launcher"), gr.Row(elem_classes="fields"):
        _group(form, "launcher", but=[*several, *of_deepspeed, *of_both])
        is_split = form.starts_as("launcher.name", "deepspeed")
        with gr.Column(elem_classes="contents", visible=is_split) as deepspeed:
            _group(form, "launcher", only=of_deepspeed)
    form.switch("launcher.name", {"deepspeed": deepspeed})
    with (
        folded(say("Several machines, long texts"), "train-section-launcher-more"),
        gr.Row(elem_classes="fields"),
    ):
        _group(form, "launcher", only=[*several, *of_both])
    with folded(say("This machine, or a Slurm cluster"), "train-section-slurm"):
        line(say("A cluster has its own queue: the job waits there, and its devices are not known here."))
        with gr.Row(elem_classes="fields"):
            _machines(form)
    with folded(say("Queue: when it starts, what follows a failure"), "train-section-queue"):
        line(say("As it stands: as soon as a device is free, and once."))
        with gr.Row(elem_classes="fields"):
            named(form, "priority")
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


def named(form: Form, name: str) -> None:
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
        form.controls[key] = forms.component(
            setting, prefix, value=form.values[key], visible=key not in train_form.NUMBERED
        )
