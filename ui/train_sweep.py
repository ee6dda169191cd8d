"""The form's training many times: one or two of its settings take several values each."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
import yaml

from jobs.protocol.errors import SpecError, StudioError
from jobs.specs.sweep import SweepSpec
from ui import train_form
from ui.parts import folded, line, live_line
from ui.train_sections import QUIET, Form
from ui.words import say

OPEN_JOBS = "(group) => { if (group) window.studio.open('jobs', {run: null, group}); }"
ROWS = 2
FIELDS = sorted(
    {
        f"{'objective' if place.startswith('objective.') else place}.{name}"
        for place, (_, names) in train_form.GROUPS.items()
        for name in names
        if place not in ("queue", "slurm")
    }
)
"""Settings that a sweep may change, as the spec names them."""


@dataclass(frozen=True)
class Sweep:
    """The controls: settings and their values by turns, the line about the jobs, and the button."""

    rows: list[gr.components.Component]
    told: gr.HTML
    go: gr.Button


def draw() -> Sweep:
    """The folded section."""
    rows: list[gr.components.Component] = []
    with folded(say("Try several values: a sweep"), "train-section-sweep"):
        line(say("One job for each value, or for each pair of two. The rest is as the form has it."))
        for number in range(1, ROWS + 1):
            with gr.Row(elem_classes="fields"):
                rows += [
                    gr.Dropdown(
                        label=say("Setting"),
                        info=say("As the spec names it."),
                        choices=FIELDS,
                        value=None,
                        elem_id=f"train-sweep-field-{number}",
                        elem_classes=["field", "setting"],
                    ),
                    gr.Textbox(
                        label=say("Values"),
                        info=say("With commas between them: 1e-4, 3e-4, 1e-3."),
                        elem_id=f"train-sweep-values-{number}",
                        elem_classes="field",
                    ),
                ]
        told = live_line("", "train-sweep-told")
        go = gr.Button(say("Queue the sweep"), elem_id="train-sweep-go", interactive=False)
    return Sweep(rows, told, go)


def wire(form: Form, sweep: Sweep) -> None:
    """Say how many jobs it comes to, and queue them."""
    studio, started = form.page.studio, gr.Textbox(visible=False)

    def tell(*values: Any) -> tuple[str, Any]:
        rows, settings = values[: 2 * ROWS], values[2 * ROWS :]
        try:
            jobs = sweep_of(rows, train_form.to_data(train_form.named(settings))).points()
        except StudioError as error:
            return ("" if not any(rows) else str(error)), gr.update(interactive=False)
        return say("{n} {n:job|jobs}.", n=len(jobs)), gr.update(interactive=True)

    def submit(*values: Any) -> str:
        rows, settings = values[: 2 * ROWS], values[2 * ROWS :]
        try:
            spec = sweep_of(rows, train_form.to_data(train_form.named(settings)))
            return studio.groups.submit(spec).id
        except StudioError as error:
            gr.Warning(str(error), title=say("Not started"))
            return ""

    inputs = [*sweep.rows, *form.order]
    gr.on([row.change for row in sweep.rows], tell, inputs, [sweep.told, sweep.go], **QUIET)
    sweep.go.click(submit, inputs, started, **QUIET).then(None, started, None, js=OPEN_JOBS)


def sweep_of(rows: tuple[Any, ...], base: dict[str, Any]) -> SweepSpec:
    """The sweep over `base` of (setting, values as they are typed, setting, values ...).

    Raises: SpecError in a sentence.
    """
    grid = {
        str(field): _values(str(field), text or "")
        for field, text in zip(rows[::2], rows[1::2], strict=True)
        if field
    }
    return SweepSpec.parse({"kind": "sweep", "base": base, "grid": grid})


def _values(field: str, text: str) -> list[Any]:
    try:
        found = yaml.safe_load(f"[{text}]")
    except yaml.YAMLError:
        found = None
    if not isinstance(found, list):
        raise SpecError(f"{field}: write values with commas between them, such as 1e-4, 3e-4.")
    return found
