"""What every spec is: strict, frozen, and clear about what is wrong with it."""

import difflib
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from jobs.protocol.errors import SpecError

S = TypeVar("S", bound="Spec")


class Spec(BaseModel):
    """A frozen settings object. Unknown keys are errors; every field carries a one-line `description`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @classmethod
    def parse(cls: type[S], data: Any, where: str = "") -> S:
        """Validate, with every problem as one sentence that names the key and the remedy.

        Raises: SpecError.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise SpecError(explain(cls, error, where)) from None


def explain(model: type[BaseModel], error: ValidationError, where: str = "") -> str:
    """Pydantic's findings as sentences for a person."""
    prefix = f"{where}: " if where else ""
    return "\n".join(prefix + _sentence(model, e) for e in error.errors())


def _sentence(model: type[BaseModel], e: Any) -> str:
    key = ".".join(str(part) for part in e["loc"] if not str(part).startswith("function-"))
    if e["type"] == "extra_forbidden":
        *parents, name = e["loc"]
        known = known_keys(model, parents)
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else f" Known keys: {', '.join(sorted(known))}."
        return f"unknown key {key!r}.{hint}"
    if e["type"] == "missing":
        return f"the key {key!r} is missing; add it."
    message = e["msg"].removeprefix("Value error, ")
    given = f" (given: {e['input']!r})" if isinstance(e["input"], (str, int, float, bool)) else ""
    return f"{key}: {message}{given}" if key else message


def known_keys(model: type[BaseModel], path: list[Any]) -> list[str]:
    """Field names at a place inside a spec; all candidates where a field is a union."""
    models = [model]
    for part in path:
        found: list[type[BaseModel]] = []
        for m in models:
            field = m.model_fields.get(str(part))
            if field is not None:
                found += _models_in(field.annotation)
        models = found or models  # a union's tag is part of the path but no field
    return sorted({name for m in models for name in m.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for a in get_args(annotation) for m in _models_in(a)]
