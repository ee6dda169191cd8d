"""Spec fields as form controls and back. The specs are the only place where a setting is described.

A `Field` is one setting, `component` draws it, `write` turns a spec's data into the controls' values and
`read` turns them back. What a person typed is not judged here: the spec does that, with a sentence a problem.
"""

import contextlib
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from jobs.protocol.errors import SpecError
from ui.words import say

FEW = 3  # so many choices stand side by side; more go into a list
NOT_SET = say("not set")
SETTING = ("field", "setting")
"""Classes of a setting's control. Its label and choices are the words of YAML: no language changes them."""


@dataclass(frozen=True)
class Field:
    """One setting of a spec. `kind`: whole, decimal, flag, choice, words, lines, tokens (ids or words) or
    mapping (as YAML)."""

    name: str
    kind: str
    label: str
    help: str
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = ()
    optional: bool = False


def fields(spec_class: type[BaseModel], only: Iterable[str] | None = None) -> list[Field]:
    """The settings of a spec in its order, or those of `only` in that order."""
    names = list(spec_class.model_fields) if only is None else list(only)
    return [_field(name, spec_class.model_fields[name]) for name in names]


def _field(name: str, info: FieldInfo) -> Field:
    kind, choices, optional = _kind(info.annotation)
    low = [b for b in (getattr(m, "ge", getattr(m, "gt", None)) for m in _bounds(info)) if b is not None]
    high = [b for b in (getattr(m, "le", getattr(m, "lt", None)) for m in _bounds(info)) if b is not None]
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    return Field(
        name=name,
        kind=kind,
        label=name,  # the same word as in YAML, on the command line and in the papers
        help=" ".join((info.description or "").split()),
        default=default,
        minimum=low[0] if low else None,
        maximum=high[0] if high else None,
        choices=choices,
        optional=optional,
    )


def _bounds(info: FieldInfo) -> list[Any]:
    return [m for m in info.metadata if isinstance(m, Ge | Gt | Le | Lt)]


def _kind(annotation: Any) -> tuple[str, tuple[Any, ...], bool]:
    """(kind, choices, whether it may be left empty) of a type."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        inner = [a for a in typing.get_args(annotation) if a is not type(None)]
        if len(inner) < len(typing.get_args(annotation)):
            kind, choices, _ = _kind(inner[0]) if len(inner) == 1 else ("mapping", (), True)
            return kind, choices, True
        return "mapping", (), False
    if typing.get_origin(annotation) is Literal:
        return "choice", typing.get_args(annotation), False
    kinds = {bool: "flag", int: "whole", float: "decimal", str: "words"}
    if annotation in kinds:
        return kinds[annotation], (), False
    if typing.get_origin(annotation) in (list, tuple):
        return ("lines" if set(typing.get_args(annotation)) <= {str, ...} else "tokens"), (), False
    return "mapping", (), False


def component(field: Field, prefix: str, **changes: Any) -> gr.components.Component:
    """The control of a setting; its elem_id is `<prefix>-<name>`."""
    shared: dict[str, Any] = {
        "label": field.label,
        "info": field.help or None,
        "value": shown(field, field.default),
        "elem_id": f"{prefix}-{field.name.replace('_', '-')}",
        "elem_classes": [*SETTING, field.kind],
        **changes,
    }
    if field.kind == "flag":
        return gr.Checkbox(**shared)
    if field.kind in ("whole", "decimal") and not field.optional:  # an empty gr.Number sends 0
        return gr.Number(**shared, step=1 if field.kind == "whole" else None)
    if field.kind == "choice":
        choices = options(field)
        if len(choices) <= FEW:
            return gr.Radio(**{**shared, "choices": choices, "elem_classes": [*SETTING, "choice", "seg"]})
        return gr.Dropdown(**{**shared, "choices": choices, "filterable": False})
    lines = {"lines": 2, "tokens": 2, "mapping": 4}.get(field.kind, 1)
    return gr.Textbox(**{**shared, "lines": lines, "max_lines": 12})


def options(field: Field) -> list[Any]:
    """What a choice offers."""
    return [NOT_SET, *field.choices] if field.optional else list(field.choices)


def write(spec_class: type[BaseModel], names: Sequence[str], data: dict[str, Any]) -> list[Any]:
    """What the controls of `names` show for a spec's data; what is missing there shows its default."""
    return [shown(f, data.get(f.name, f.default)) for f in fields(spec_class, names)]


def shown(field: Field, value: Any) -> Any:
    """A setting's value as its control has it."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if field.kind == "mapping":
        return as_yaml(value)
    if field.kind in ("lines", "tokens"):
        return "\n".join(str(line) for line in value or [])
    if field.kind == "choice":
        return NOT_SET if value is None and field.optional else value
    if field.kind == "words" or field.optional:
        return "" if value is None else str(value)
    return value


def read(spec_class: type[BaseModel], names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """The controls' values as data for the spec; an empty optional setting is left out.

    Raises: SpecError for a mapping that is not valid YAML.
    """
    found: dict[str, Any] = {}
    for field, value in zip(fields(spec_class, names), values, strict=True):
        taken = _taken(field, value)
        if taken is not None or not field.optional:
            found[field.name] = taken
    return found


def _taken(field: Field, value: Any) -> Any:
    if field.kind == "mapping":
        return mapping(value, field.label, optional=field.optional)
    if field.kind == "lines":
        return [line for line in (value or "").splitlines() if line.strip()]
    if field.kind == "tokens":  # a number is a token's id
        return [int(word) if word.isdecimal() else word for word in (value or "").split()]
    if field.kind == "words":
        return (value or "").strip() or (None if field.optional else "")
    if field.kind == "choice" and field.optional and value == NOT_SET:
        return None
    return number(value) if field.optional else whole(value) if field.kind == "whole" else value


def number(text: Any) -> Any:
    """A typed number, None for nothing; what is no number stays as it is, for the spec to judge."""
    text = str(text if text is not None else "").strip()
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text or None


def whole(value: Any) -> Any:
    """5.0 as 5; everything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def as_yaml(value: Any) -> str:
    """A mapping as the text of its control."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).strip() if value else ""


def mapping(text: str | None, where: str, optional: bool = False) -> dict[str, Any] | None:
    """A small YAML text as a dict; empty text is an empty one (None where that is allowed).

    Raises: SpecError with the line.
    """
    if not (text or "").strip():
        return None if optional else {}
    try:
        data = yaml.safe_load(text or "")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise SpecError(f"{where}{line}: not valid YAML: {getattr(error, 'problem', error)}.") from None
    if not isinstance(data, dict):
        raise SpecError(f"{where}: write a key and a value on each line, such as rows: 8000.")
    return data
