"""What the Train tab shows beside its form: review, steps, masks, memory, changes, whether it can start."""

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr
import yaml

from backend.services.estimates import duration
from backend.services.estimates import size as written
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


class Shown(NamedTuple):
    """The values of what stands beside the form."""

    review: dict[str, Any]
    steps: list[dict[str, Any]]
    start: Any
    """An update of the button."""
    masks: dict[str, Any]
    memory: dict[str, Any]
    changes: list[dict[str, str]]


def show(studio: "Studio", values: dict[str, Any], base: str) -> Shown:
    """What follows from the form's values. `base`: the YAML that they started from."""
    try:
        data = train_form.to_data(values)
    except StudioError as error:
        data, preview, figures = {}, Preview(problem=str(error)), []
    else:
        preview = studio.training.preview(data)
        figures = train_form.facts(preview.spec, rows(studio, data["data"])) if preview.spec else []
        figures += preview.need.lines if preview.need is not None else []
    changes = train_form.changed(values, train_form.to_values(yaml.safe_load(base))) if base else []
    return Shown(
        review(preview, "train", base, figures, preview.notes, FILE),
        steps(values, preview, len(changes)),
        gr.update(interactive=not preview.problem),
        masks(data),
        memory(preview, values["slurm.on"] == train_form.SLURM),
        changes,
    )


def masks(data: dict[str, Any]) -> dict[str, Any]:
    """What the masking preview asks about: rows, model, objective; empty while the form cannot be read."""
    return {key: data.get(key) for key in ("data", "model", "objective")} if data else {}


def memory(preview: Preview, cluster: bool) -> dict[str, Any]:
    """The estimate as parts of a device's memory. `why`: what is missing for one."""
    need = preview.need
    if need is None:
        why = say("The devices of a cluster are not known here.") if cluster else ""
        return {"why": why or say("The sizes of this model are not known yet.")}
    parts = sorted(need.device.items(), key=lambda part: -part[1])
    return {
        "parts": [[name, size, written(size)] for name, size in parts if size],
        "needs": written(sum(need.device.values())),
        "has": need.device_has,
        "there": written(need.device_has) if need.device_has else "",
        "bad": bool(need.problem),
        "time": duration(need.seconds) if need.seconds is not None else "",
    }


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


STEP_OF = {
    **dict.fromkeys(("objective", "optimisation", "tuning", "report"), "recipe"),
    **dict.fromkeys(("launcher", "slurm", "queue", "priority"), "resources"),
    **{"name": "model", "model": "model", "data": "data", "Options": "data"},
}
"""First word of a problem -> the step with its setting."""


def steps(values: dict[str, Any], preview: Preview, changes: int) -> list[dict[str, Any]]:
    """The steps of the walk with what is chosen in each: a text and its values, which the strip says."""
    wrong = {STEP_OF.get(re.split(r"[.,:]", p["key"] or p["text"])[0], "") for p in problems(preview.problem)}
    if preview.need is not None and preview.need.problem:
        wrong.add("resources")
    of_changes = say("{n} {n:setting|settings} changed")
    return [
        {
            "name": name,
            "title": title,
            "text": text,
            "values": figures,
            "state": "bad" if name in wrong else "ok",
        }
        for name, title, (text, figures) in (
            ("model", say("Model"), _model(values)),
            ("data", say("Data"), _data(values)),
            ("recipe", say("Recipe"), _recipe(values, preview)),
            ("resources", say("Resources"), _resources(values)),
            ("review", say("Review"), (of_changes, {"n": changes})),
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
    return say("{data}, up to {n} {n:token|tokens}"), {"data": data, "n": values["data.max_length"]}


def _recipe(values: dict[str, Any], preview: Preview) -> Said:
    """The objective's name, also where it is the checkpoint's, and how long it is trained."""
    found = (preview.spec.get("objective") or {}).get("name")
    chosen = values["objective.name"]
    figures = {"n": values["optimisation.steps"], "name": found if chosen == train_form.FOLLOW else chosen}
    if figures["name"] is None:
        return say("{n} {n:step|steps}"), figures
    if values["tuning.method"] == "lora":
        return say("{name}, {n} {n:step|steps} of LoRA"), figures
    return say("{name}, {n} {n:step|steps}"), figures


def _resources(values: dict[str, Any]) -> Said:
    if values["slurm.on"] == train_form.SLURM:
        return say("Slurm, {nodes} × {processes}"), {
            "nodes": values["slurm.nodes"],
            "processes": values["launcher.processes"],
        }
    names = ("name", "processes", "device")
    return say("{name}, {processes} on {device}"), {name: values[f"launcher.{name}"] for name in names}
