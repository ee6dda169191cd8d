"""The Train tab: a training as a walk of five steps, with the exact spec and command before it starts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
import yaml

from jobs.protocol.errors import StudioError
from jobs.specs.load import parse_spec
from jobs.specs.probe import probe_of
from ui import starting_points, train_form, train_sweep, train_wishes
from ui import train_sections as sections
from ui.components.changed_settings import ChangedSettings
from ui.components.mask_preview import MaskPreview
from ui.components.memory_need import MemoryNeed
from ui.components.review import Review
from ui.components.setting_search import SettingSearch
from ui.components.walk_steps import WalkSteps, WalkTurns
from ui.page import Page
from ui.parts import OPEN_JOB, heading, line, live_line, section
from ui.train_preview import show
from ui.words import say

YAML_FILES = [".yaml", ".yml", ".json"]
QUIET = {"show_progress": "hidden", "api_visibility": "private"}


def build(page: Page) -> None:
    """Draw the tab and wire it to the services."""
    first, about = starting_points.load(page.studio, starting_points.RECIPE + starting_points.FIRST)
    form = sections.Form(page, train_form.to_values(first))
    start_yaml = starting_points.normal_yaml(first)
    shown = show(page.studio, form.values, start_yaml)
    with gr.Column(elem_classes="screen"):
        heading(say("Train"), say("A dLLM from random weights, or further from a checkpoint."))
        strip = WalkSteps(shown.steps, elem_id="train-steps")
        search = SettingSearch(elem_id="train-search")
        with gr.Row(elem_classes="walk"):
            with gr.Column(elem_classes="stack"):
                with sections.step("model"):
                    filling = _starting_point(form, about)
                    sections.model(form)
                with sections.step("data"):
                    sections.data(form)
                    masks = MaskPreview(shown.masks, elem_id="train-masks")
                with sections.step("recipe"):
                    sections.recipe(form)
                with sections.step("resources"):
                    memory = MemoryNeed(shown.memory, elem_id="train-memory")
                    sections.resources(form)
                with sections.step("review"):
                    changes = ChangedSettings(shown.changes, elem_id="train-changes")
                    recipe_name, save = _recipe_fields()
                    sweep = train_sweep.draw()
                WalkTurns(elem_id="train-turns")
            with gr.Column(elem_classes="stack side"):
                with gr.Column(elem_classes="card"):
                    review = Review(shown.review, elem_id="train-review")
                with gr.Column(elem_classes="card go"):
                    go = gr.Button(say("Start training"), variant="primary", elem_id="train-start")
                    probe = gr.Button(say("Measure three steps"), elem_id="train-probe")
                    line(say("It runs on its own: this page may be closed."))
    assert set(form.controls) == set(train_form.KEYS)
    search.value = train_form.searched(form.controls)
    base, started = gr.State(start_yaml), gr.Textbox(visible=False)
    _wire_filling(form, filling, base, review, changes)
    _wire_starting(form, go, probe, started)
    _wire_saving(form, recipe_name, save)
    train_sweep.wire(form, sweep)

    def refresh(base_yaml: str, *values: Any) -> tuple[Any, ...]:
        return show(page.studio, train_form.named(values), base_yaml)

    outputs = [review, strip, go, masks, memory, changes]  # in the order of Shown
    every = [c.change for c in form.order] + [base.change]
    gr.on(every, refresh, [base, *form.order], outputs, trigger_mode="always_last", **QUIET)


@dataclass(frozen=True)
class Filling:
    """The controls that fill the whole form, and the line about where it came from."""

    start: gr.Dropdown
    upload: gr.UploadButton
    note: gr.HTML


def _starting_point(form: sections.Form, about: str) -> Filling:
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
            sections.named(form, "name")
            upload = gr.UploadButton(
                say("Load a file"), file_types=YAML_FILES, elem_id="train-upload", type="binary"
            )
        note = live_line(about, "train-note")

    def offer(shown: str) -> Any:
        return gr.update(choices=starting_points.choices(studio, shown))

    form.page.tab.select(offer, group, start, queue=False, **QUIET)
    group.input(offer, group, start, queue=False, **QUIET)
    return Filling(start, upload, note)


def _wire_filling(
    form: sections.Form, filling: Filling, base: gr.State, review: Review, changes: ChangedSettings
) -> None:
    """Recipes, runs, files, links and wishes of other tabs fill the form; a change can be taken back."""
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

    def from_link(wish: gr.EventData) -> list[Any]:
        if text := getattr(wish, "spec", None):
            return guarded(lambda: starting_points.from_link(str(text)))
        return from_choice(str(getattr(wish, "start", "")))

    def take_back(base_yaml: str, wish: gr.EventData) -> list[Any]:
        key = getattr(wish, "key", None)
        values = train_form.to_values(yaml.safe_load(base_yaml))
        settings = [values[name] if key in (None, name) else gr.skip() for name in train_form.KEYS]
        return [*settings, *form.shown(values, of=key)]

    filling.start.input(from_choice, filling.start, outputs, **QUIET)
    filling.upload.upload(from_upload, filling.upload, outputs, **QUIET)
    review.fill(from_link, None, outputs, **QUIET)
    changes.reset(take_back, base, [*form.order, *form.parts], **QUIET)
    train_wishes.wire(form, review)


def _recipe_fields() -> tuple[gr.Textbox, gr.Button]:
    with section(say("Keep it"), "train-section-keep"), gr.Row(elem_classes="save-recipe"):
        name = gr.Textbox(
            label=say("Keep as a recipe"),
            info=say("Small letters, digits and hyphens; it appears under Start from."),
            placeholder="my-first-run",
            elem_id="train-recipe-name",
            elem_classes="field",
        )
        return name, gr.Button(say("Save"), elem_id="train-recipe-save")


def _wire_starting(form: sections.Form, go: gr.Button, probe: gr.Button, started: gr.Textbox) -> None:
    """Start the job, or a probe of it."""
    studio = form.page.studio

    def submit(*values: Any, measure: bool = False) -> str:
        try:
            spec = parse_spec(train_form.to_data(train_form.named(values)))
            return studio.jobs.submit(probe_of(spec) if measure else spec).id
        except StudioError as error:
            gr.Warning(str(error), title=say("Not started"))
            return ""

    def measure(*values: Any) -> str:
        return submit(*values, measure=True)

    go.click(submit, form.order, started, **QUIET).then(None, started, None, js=OPEN_JOB)
    probe.click(measure, form.order, started, **QUIET).then(None, started, None, js=OPEN_JOB)


def _wire_saving(form: sections.Form, name: gr.Textbox, save: gr.Button) -> None:
    """Keep the form's spec as a recipe."""
    studio = form.page.studio

    def keep(chosen: str, *values: Any) -> None:
        try:
            recipe = studio.training.save_recipe(chosen or "", train_form.to_data(train_form.named(values)))
        except StudioError as error:
            gr.Warning(str(error), title=say("Not saved"))
        else:
            gr.Info(say("Saved as {path}.", path=recipe.path), title=say("Recipe saved"))

    save.click(keep, [name, *form.order], None, **QUIET)
