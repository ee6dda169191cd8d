"""What the Train tab shows beside its form: review, section strip, and whether it can start."""

from typing import TYPE_CHECKING, Any

import gradio as gr

from backend.services.training import Preview
from jobs.protocol.errors import StudioError
from jobs.specs.builders import BUILDERS
from ui import train_form
from ui.review_value import problems, review
from ui.words import say

if TYPE_CHECKING:
    from backend.studio import Studio

FILE = "train.yaml"
Said = tuple[str, dict[str, Any]]
"""A text and its values."""


def show(studio: "Studio", values: dict[str, Any], base: str) -> tuple[dict[str, Any], list[dict], Any]:
    """(review, section strip, start button) for the form's values."""
    try:
        data = train_form.to_data(values)
    except StudioError as error:
        preview, figures = Preview(problem=str(error)), []
    else:
        preview = studio.training.preview(data)
        figures = train_form.facts(preview.spec, rows(studio, data["data"])) if preview.spec else []
        figures += preview.need.lines if preview.need is not None else []
    shown = review(preview, "train", base, figures, preview.notes, FILE)
    return shown, strip(values, preview), gr.update(interactive=not preview.problem)


def rows(studio: "Studio", data: dict[str, Any]) -> int | None:
    """How many rows the data has, as far as that is known before the job starts."""
    if data.get("builder") in BUILDERS:
        options = {o.name: o.default for o in BUILDERS[data["builder"]].options} | data["options"]
        found = options.get("rows")
    else:
        try:
            found = studio.datasets.get(data.get("path") or "").rows
        except StudioError:
            return None
    if not isinstance(found, int):
        return None
    return min(found, data["limit"]) if isinstance(data.get("limit"), int) else found


def strip(values: dict[str, Any], preview: Preview) -> list[dict[str, Any]]:
    """The sections of the form with what is chosen in each: a text and its values, which the strip says."""
    wrong = {problem["key"].split(".")[0] for problem in problems(preview.problem)}
    return [
        {
            "title": title,
            "text": text,
            "values": figures,
            "target": f"train-section-{name}",
            "state": "bad" if name in wrong else "ok",
        }
        for name, title, (text, figures) in (
            ("model", say("Model"), _model(values)),
            ("data", say("Data"), _data(values)),
            ("objective", say("Objective"), _objective(values["objective.name"], preview)),
            ("optimisation", say("Optimisation"), _optimisation(values)),
            ("tuning", say("Tuning"), _tuning(values)),
            ("launcher", say("Launcher"), _launcher(values)),
            ("report", say("Report"), (say("every {n} steps"), {"n": values["report.log_every"]})),
        )
    ]


def _model(values: dict[str, Any]) -> Said:
    if values["model.source"] == train_form.NEW:
        kind = values["model.new.architecture"] or values["model.new.family"]
        return (say("new {kind}"), {"kind": kind}) if kind else (say("new model"), {})
    return (values["model.path"], {}) if values["model.path"] else (say("none chosen"), {})


def _data(values: dict[str, Any]) -> Said:
    made = values["data.source"] == train_form.BUILDER
    data = values["data.builder"] if made else values["data.path"]
    if not data:
        return say("none chosen"), {}
    return say("{data}, up to {n} tokens"), {"data": data, "n": values["data.max_length"]}


def _objective(chosen: str, preview: Preview) -> Said:
    """The objective's name, also where it is the checkpoint's."""
    found = (preview.spec.get("objective") or {}).get("name")
    return (
        (say("{name}, the checkpoint's"), {"name": found})
        if chosen == train_form.FOLLOW and found
        else (chosen, {})
    )


def _optimisation(values: dict[str, Any]) -> Said:
    figures = {"n": values["optimisation.steps"], "size": values["optimisation.batch_size"]}
    return say("{n} steps of {size}"), figures


def _tuning(values: dict[str, Any]) -> Said:
    if values["tuning.method"] == "lora":
        return say("LoRA, rank {n}"), {"n": values["tuning.rank"]}
    return say("all weights"), {}


def _launcher(values: dict[str, Any]) -> Said:
    names = ("name", "processes", "device")
    return say("{name}, {processes} on {device}"), {name: values[f"launcher.{name}"] for name in names}
