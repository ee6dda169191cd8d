"""The samplers as one panel: a choice of sampler, and its settings. Settings of one name share a control."""

import inspect
from dataclasses import replace
from typing import Any

import gradio as gr

from backend.services.checkpoints import ModelView
from jobs.protocol.errors import SpecError
from jobs.specs.samplers import DEFAULT, SAMPLERS
from jobs.specs.samplers.cautions import cautions
from jobs.specs.samplers.presets import carried, parse
from ui import forms
from ui.forms import Field
from ui.words import say

SHARED = ("suppress_tokens", "early_exit")
"""What every sampler has, and few people change."""
TEXT_ONLY = {"max_new_tokens", "block_size", "cfg_scale", "suppress_eos", "delay_eos", "early_exit"}
"""What a grid has no use for."""


def own_fields(sampler: str) -> dict[str, Field]:
    """The settings of one sampler; what all samplers share comes last."""
    return _shared_last({f.name: f for f in forms.fields(SAMPLERS[sampler]) if f.name != "name"})


def _shared_last(found: dict[str, Field]) -> dict[str, Field]:
    return dict(sorted(found.items(), key=lambda item: item[0] in SHARED))


def shared_fields() -> dict[str, Field]:
    """Every setting of any sampler, once: wide enough for each that has it."""
    found: dict[str, Field] = {}
    for sampler in SAMPLERS:
        for name, field in own_fields(sampler).items():
            known = found.get(name)
            if known is None:
                found[name] = field
            else:
                every = tuple(dict.fromkeys((*known.choices, *field.choices)))  # Gradio refuses any other
                found[name] = replace(known, optional=known.optional or field.optional, choices=every)
    return _shared_last(found)


FIELDS = shared_fields()


def preset(view: ModelView | None) -> dict[str, Any]:
    """What a model is sampled with unless asked otherwise."""
    return {"name": DEFAULT, **(view.sampler if view else {})}


def choices(view: ModelView | None) -> list[str]:
    """The samplers that a model can be given."""
    return view.samplers if view and view.samplers else list(SAMPLERS)


def about(sampler: str) -> str:
    """What a sampler does, from its spec."""
    text = inspect.getdoc(SAMPLERS[sampler]) or ""
    return " ".join(text.split(" Source: ")[0].split("\nSource: ")[0].split())


def settings(sampler: str, view: ModelView | None) -> dict[str, Any]:
    """What the controls begin with."""
    return carried(sampler, preset(view))


def help_of(sampler: str, view: ModelView | None) -> str:
    """Under the choice: what the sampler does; on its own line why it is this model's preset, if it is."""
    lines = [about(sampler)]
    if view and view.sampler_why and preset(view)["name"] == sampler:
        lines.append(view.sampler_why)
    return "\n".join(say(line) for line in lines)


def cautions_of(settings: dict[str, Any], view: ModelView | None) -> list[str]:
    """What is known to go wrong with these settings on this model; nothing for settings that are wrong."""
    if view is None:
        return []
    try:
        return cautions(parse(settings), view)
    except SpecError:
        return []  # said in full when they are used


def panel(view: ModelView | None, elem_id: str = "play") -> dict[str, Any]:
    """The controls: the sampler, a line about it, and each setting's control in the order of FIELDS."""
    chosen = preset(view)["name"]
    picked = gr.Dropdown(
        choices(view),
        value=chosen,
        label="sampler",
        info=help_of(chosen, view),
        elem_id=f"{elem_id}-sampler-name",
        elem_classes="field",
        filterable=False,
    )
    first = updates(chosen, view)
    controls = [
        forms.component(field, "sampler", value=update["value"], visible=update["visible"])
        for field, update in zip(FIELDS.values(), first, strict=True)
    ]
    return {"sampler": picked, "controls": controls}


def updates(sampler: str, view: ModelView | None) -> list[dict[str, Any]]:
    """How each control of FIELDS looks for a sampler: its own help, choices and value, or hidden."""
    own, data = own_fields(sampler), settings(sampler, view)
    grid = view is not None and view.task == "grid"
    found = []
    for name, shared in FIELDS.items():
        field = own.get(name)
        if field is None:
            found.append(gr.update(visible=False, value=forms.shown(shared, shared.default)))
            continue
        wide = replace(field, optional=shared.optional)  # shown by the control that all share
        more = {"choices": forms.options(wide)} if field.kind == "choice" else {}
        value = forms.shown(wide, data.get(name, field.default))
        hidden = grid and name in TEXT_ONLY
        found.append(gr.update(visible=not hidden, info=say(field.help), value=value, **more))
    return found


def read(sampler: str, values: list[Any]) -> dict[str, Any]:
    """The panel's values as data for the sampler's spec. Raises: SpecError."""
    names = list(own_fields(sampler))
    by_name = dict(zip(FIELDS, values, strict=True))
    return {"name": sampler, **forms.read(SAMPLERS[sampler], names, [by_name[name] for name in names])}
