"""The training form as data: which controls there are, and a spec's dict into their values and back."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from jobs.specs.builders import BUILDERS
from jobs.specs.data import DataSpec
from jobs.specs.job import NewModelSpec, ReportSpec
from jobs.specs.launcher import LauncherSpec
from jobs.specs.objective import OBJECTIVES
from jobs.specs.optimisation import OptimisationSpec
from jobs.specs.queue import QueueSpec
from jobs.specs.slurm import SlurmSpec
from jobs.specs.tuning import TuningSpec
from ui import forms
from ui.words import say

CHECKPOINT, NEW = say("A model"), say("Random weights")
FOLLOW = say("as the checkpoint")  # no objective in the spec
FILE, BUILDER = say("A file"), say("Made here")
HERE, SLURM = say("This machine"), "Slurm"
DATA_SOURCE = ("path", "builder", "options")

# Groups of settings: place in the spec -> (its class, the settings shown). In the order of the form.
GROUPS: dict[str, tuple[type[BaseModel], list[str]]] = {
    "model.new": (NewModelSpec, list(NewModelSpec.model_fields)),
    "data": (DataSpec, [name for name in DataSpec.model_fields if name not in DATA_SOURCE]),
    **{f"objective.{n}": (c, [f for f in c.model_fields if f != "name"]) for n, c in OBJECTIVES.items()},
    "optimisation": (OptimisationSpec, list(OptimisationSpec.model_fields)),
    "tuning": (TuningSpec, list(TuningSpec.model_fields)),
    "launcher": (LauncherSpec, list(LauncherSpec.model_fields)),
    "report": (ReportSpec, list(ReportSpec.model_fields)),
    "queue": (QueueSpec, list(QueueSpec.model_fields)),
    "slurm": (SlurmSpec, list(SlurmSpec.model_fields)),
}
OF_THE_SPEC = ("optimisation", "tuning", "launcher", "report", "queue")
"""Groups that are a key of the spec and always in it."""
RARE = {
    "data": ["info", "answers", "separate_documents", "append_eos", "limit", "ahead", "ahead_folder"],
    "optimisation": [
        *("optimizer", "optimizer_rank", "ema_decay", "neftune_alpha"),
        *("offload_activations", "liger_kernels"),
    ],
}
"""Settings that few want, by group; the form folds them away."""
NUMBERED = ("queue.group", "queue.place", "queue.clone_of")
"""What the studio sets itself: kept for a spec that has it, and not shown."""
OWN_KEYS = (
    "name",
    "priority",
    "model.source",
    "model.path",
    "data.source",
    "data.path",
    "data.builder",
    "data.options",
    "objective.name",
    "slurm.on",
)
KEYS = (*OWN_KEYS, *(f"{place}.{name}" for place, (_, names) in GROUPS.items() for name in names))


def to_values(data: Mapping[str, Any]) -> dict[str, Any]:
    """What every control shows for a spec's data. What the data leaves out shows its default."""
    model, rows = _group(data, "model"), _group(data, "data")
    objective = _group(data, "objective")
    chosen = objective.get("name", FOLLOW)
    values: dict[str, Any] = {
        "name": data.get("name", ""),
        "priority": data.get("priority", 0),
        "model.source": CHECKPOINT if model.get("path") is not None else NEW,
        "model.path": model.get("path"),
        "data.source": BUILDER if rows.get("builder") is not None else FILE,
        "data.path": rows.get("path"),
        "data.builder": rows.get("builder"),
        "data.options": forms.as_yaml(rows.get("options")),
        "objective.name": chosen,
        "slurm.on": SLURM if data.get("slurm") is not None else HERE,
    }
    places = {
        "model.new": _group(model, "new"),
        "data": rows,
        **{f"objective.{name}": objective if name == chosen else {} for name in OBJECTIVES},
    }
    for place, (spec_class, names) in GROUPS.items():
        group = places.get(place, _group(data, place))
        shown = forms.write(spec_class, names, group)
        values |= {f"{place}.{name}": value for name, value in zip(names, shown, strict=True)}
    return values


def to_data(values: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a train spec from the controls' values; of two sources only the chosen one.

    Raises: SpecError for a mapping that is not valid YAML.
    """
    groups: dict[str, dict[str, Any]] = {}
    for place, (spec_class, names) in GROUPS.items():
        if place.startswith("objective.") and place != f"objective.{values['objective.name']}":
            continue
        if place == "model.new" and values["model.source"] != NEW:
            continue
        if place == "slurm" and values["slurm.on"] != SLURM:
            continue
        groups[place] = forms.read(spec_class, names, [values[f"{place}.{name}"] for name in names])
    rows = groups["data"]
    if values["data.source"] == BUILDER:
        options = forms.mapping(values["data.options"], "Options")
        rows = {"builder": values["data.builder"] or None, "options": options, **rows}
    else:
        rows = {"path": _text(values["data.path"]), **rows}
    data = {
        "kind": "train",
        "name": _text(values["name"]) or "",
        "priority": forms.whole(values["priority"]),
        "model": {"new": groups["model.new"]}
        if "model.new" in groups
        else {"path": _text(values["model.path"])},
        "data": rows,
    }
    if values["objective.name"] != FOLLOW:
        name = values["objective.name"]
        data["objective"] = {"name": name, **groups[f"objective.{name}"]}
    return data | {place: groups[place] for place in (*OF_THE_SPEC, "slurm") if place in groups}


def named(values: Sequence[Any]) -> dict[str, Any]:
    """The controls' values, in the order of KEYS, by key."""
    return dict(zip(KEYS, values, strict=True))


def element(key: str) -> str:
    """The elem_id of a setting's control."""
    return "train-" + key.replace(".", "-").replace("_", "-")


def searched(controls: Mapping[str, Any]) -> list[dict[str, str]]:
    """What the search box looks in: each setting's control, its name in the spec, and its help."""
    return [
        {"id": element(key), "name": key, "label": control.label or "", "help": control.info or ""}
        for key, control in controls.items()
        if key not in NUMBERED
    ]


def changed(values: Mapping[str, Any], base: Mapping[str, Any]) -> list[dict[str, str]]:
    """The settings whose control shows something else than for the spec that the form started from."""
    found = []
    for key in KEYS:
        now, before = _written(values[key]), _written(base[key])
        if now != before and _counts(key, values):
            found.append({"id": element(key), "key": key, "before": before, "now": now})
    return found


def _counts(key: str, values: Mapping[str, Any]) -> bool:
    """Whether the setting goes into the spec: of two sources only the chosen one does."""
    place, _, name = key.rpartition(".")
    if place.startswith("objective."):
        return place == f"objective.{values['objective.name']}"
    if place == "model.new" or key == "model.path":
        return (values["model.source"] == NEW) == (place == "model.new")
    if place == "data" and name in DATA_SOURCE:
        return (values["data.source"] == FILE) == (name == "path")
    return place != "slurm" or name == "on" or values["slurm.on"] == SLURM


def _written(value: Any) -> str:
    """A control's value as text; 5.0 and 5 are the same to a person."""
    return "" if value is None else str(forms.whole(value)).strip()


def about_builder(name: str | None) -> str:
    """A sentence on what a builder makes."""
    return say(BUILDERS[name].description) if name in BUILDERS else say("What makes the rows.")


def _text(value: Any) -> str | None:
    return str(value).strip() or None if value is not None else None


def _group(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found if isinstance(found, Mapping) else {}


def facts(data: Mapping[str, Any], rows: int | None) -> list[tuple[str, str]]:
    """What a checked spec amounts to: (label, figure)."""
    run, launcher = data["optimisation"], data["launcher"]
    nodes = (data.get("slurm") or {}).get("nodes") or max(1, len(launcher["hosts"]))
    copies = launcher["processes"] * nodes // launcher["sequence_parallel"]
    together = run["batch_size"] * run["gradient_accumulation"] * copies
    seen = together * run["steps"]
    found = [
        (say("Sequences a step"), f"{together:,}"),
        (say("Tokens a step, at most"), f"{together * data['data']['max_length']:,}"),
        (say("Sequences in all"), f"{seen:,}"),
    ]
    if rows:
        found.append((say("Passes over the data"), f"{seen / rows:.3g}"))
    return found
