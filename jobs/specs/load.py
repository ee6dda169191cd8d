"""From a YAML file, a dict or `key=value` words to a typed spec."""

import contextlib
import difflib
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml

from jobs.protocol.errors import SpecError
from jobs.specs.base import Spec
from jobs.specs.job import KINDS, JobSpec

SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml, ten times as fast, where PyYAML has it


def parse_spec(data: Any, where: str = "") -> JobSpec:
    """A dict as the spec of its `kind`.

    Raises: SpecError, one sentence a problem.
    """
    prefix = f"{where}: " if where else ""
    if not isinstance(data, dict):
        raise SpecError(f"{prefix}a spec is a mapping of keys to values, this is {type(data).__name__}.")
    kind = data.get("kind")
    if kind not in KINDS:
        near = difflib.get_close_matches(str(kind), KINDS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise SpecError(f"{prefix}kind must be one of {', '.join(KINDS)}; it is {kind!r}.{hint}")
    return KINDS[kind].parse(data, where)


def read_yaml(path: Path) -> dict[str, Any]:
    """A spec file as a plain dict. Raises: SpecError with file and line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(f"{path}: there is no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} cannot be read: {error}.") from None
    try:
        data = yaml.load(text, Loader=SAFE)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise SpecError(f"{path}{line}: not valid YAML: {getattr(error, 'problem', error)}.") from None
    if not isinstance(data, dict):
        raise SpecError(f"{path}: a spec is a mapping of keys to values.")
    return data


def load_spec(path: Path, overrides: list[str] | None = None) -> JobSpec:
    """A spec file with `a.b=value` overrides applied.

    Raises: SpecError.
    """
    data = read_yaml(path)
    for item in overrides or []:
        apply_override(data, item)
    return parse_spec(data, where=str(path))


def apply_override(data: dict[str, Any], item: str) -> None:
    """Set `a.b.c=value` in nested dicts; the value is read as YAML (3, 1e-4, true, [a, b])."""
    key, equals, value = item.partition("=")
    if not equals or not key:
        raise SpecError(f"--set {item!r}: write key=value, such as optimisation.steps=200.")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise SpecError(f"--set {item!r}: {error}.") from None
    try:
        put(data, key, as_number(parsed))
    except SpecError as error:
        raise SpecError(f"--set {item!r}: {error}") from None


def as_number(value: Any) -> Any:
    """The number in a text such as 1e-4, which YAML 1.1 reads as text; anything else as it is."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return float(value)
    return value


def put(data: dict[str, Any], field: str, value: Any) -> None:
    """Set the field `a.b.c` in nested dicts. Raises: SpecError where `a.b` is no group of keys."""
    *parents, name = field.split(".")
    place = data
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise SpecError(f"{field}: {parent!r} holds a value, not a group of keys.")
    place[name] = value


def to_yaml(spec: JobSpec) -> str:
    """A spec as the YAML a person would write: what equals its default is left out."""
    return yaml.safe_dump({"kind": spec.kind, **_sparse(spec)}, sort_keys=False, allow_unicode=True)


def _sparse(spec: Spec) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name, field in type(spec).model_fields.items():
        value = getattr(spec, name)
        is_tag = name == "name" and get_origin(field.annotation) is Literal and not isinstance(spec, JobSpec)
        if isinstance(value, Spec):
            inner = _sparse(value)
            if inner or value != field.get_default(call_default_factory=True):
                data[name] = inner
        elif value != field.get_default(call_default_factory=True) or (
            is_tag and len(get_args(field.annotation)) == 1
        ):
            data[name] = value
    return data
