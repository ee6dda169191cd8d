"""What the Train tab shows beside its form: review, section strip, and whether it can start."""

from typing import TYPE_CHECKING, Any

import gradio as gr

from backend.services.training import Preview
from jobs.protocol.errors import StudioError
from jobs.specs.builders import BUILDERS
from ui import train_form
from ui.review_value import problems, review

if TYPE_CHECKING:
    from backend.studio import Studio

FILE = "train.yaml"


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


def _objective(chosen: str, preview: Preview) -> str:
    """The objective's name, also where it is the checkpoint's."""
    found = (preview.spec.get("objective") or {}).get("name")
    return f"{found}, the checkpoint's" if chosen == train_form.FOLLOW and found else chosen


def strip(values: dict[str, Any], preview: Preview) -> list[dict[str, str]]:
    """The sections of the form with what is chosen in each."""
    new = values["model.source"] == train_form.NEW
    made = values["data.source"] == train_form.BUILDER
    run = values["optimisation.steps"], values["optimisation.batch_size"]
    lora, processes = values["tuning.method"] == "lora", values["launcher.processes"]
    kind = values["model.new.architecture"] or values["model.new.family"] or "model"
    model = f"new {kind}" if new else values["model.path"] or "none chosen"
    data = values["data.builder"] if made else values["data.path"]
    texts = {
        "model": model,
        "data": f"{data or 'none chosen'}, up to {values['data.max_length']} tokens",
        "objective": _objective(values["objective.name"], preview),
        "optimisation": f"{run[0]} steps of {run[1]}",
        "tuning": f"LoRA, rank {values['tuning.rank']}" if lora else "all weights",
        "launcher": f"{values['launcher.name']}, {processes} on {values['launcher.device']}",
        "report": f"every {values['report.log_every']} steps",
    }
    wrong = {problem["key"].split(".")[0] for problem in problems(preview.problem)}
    return [
        {
            "title": name.capitalize(),
            "text": str(text),
            "target": f"train-section-{name}",
            "state": "bad" if name in wrong else "ok",
        }
        for name, text in texts.items()
    ]
