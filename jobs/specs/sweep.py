"""One job many times with other settings: every point of a grid, or points drawn at random."""

import copy
import itertools
import json
import math
import random
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from jobs.protocol.errors import SpecError
from jobs.specs.base import Spec
from jobs.specs.job import JobSpec
from jobs.specs.load import as_number, parse_spec, put

Point = dict[str, Any]
OURS = ("kind", "version", "name", "queue.group", "queue.place")  # what a sweep sets itself
TRIES = 50  # draws for each point wanted, before the ranges count as exhausted


class RangeSpec(Spec):
    """Where the values of one field are drawn from: exactly one of the three."""

    linear: tuple[float, float] | None = None
    """Evenly between two ends; whole numbers where both ends are whole."""
    log: tuple[float, float] | None = None
    """Evenly in their logarithm, for what spans orders of magnitude."""
    choice: list[Any] | None = None
    """One of these."""

    @model_validator(mode="after")
    def _one(self) -> "RangeSpec":
        if sum(part is not None for part in (self.linear, self.log, self.choice)) != 1:
            raise ValueError("give one of linear: [from, to], log: [from, to] or choice: [...]")
        if self.choice is not None and not self.choice:
            raise ValueError("choice holds no values")
        ends = self.linear or self.log
        if ends is not None and not ends[0] < ends[1]:
            raise ValueError("the first end must be smaller than the second")
        if self.log is not None and self.log[0] <= 0:
            raise ValueError("both ends of log must be greater than 0")
        return self

    def draw(self, source: random.Random) -> Any:
        """A value; of four digits where it is not whole."""
        if self.choice is not None:
            return as_number(source.choice(self.choice))
        low, high = self.linear or self.log or (0.0, 0.0)
        value = source.uniform(low, high)
        if self.log is not None:
            value = math.exp(source.uniform(math.log(low), math.log(high)))
        return round(value) if low.is_integer() and high.is_integer() else float(f"{value:.4g}")


class RandomSpec(Spec):
    """Points drawn at random."""

    n: int = Field(ge=1, le=1000)
    """How many."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Same seed, same points."""
    ranges: dict[str, RangeSpec] = Field(min_length=1)
    """Field of the spec -> where its values come from."""


class SweepSpec(Spec):
    """A job at every point of `grid`, at points of `random`, or at each of these for each of those."""

    version: Literal[1] = 1
    kind: Literal["sweep"] = "sweep"
    name: str = Field(default="", max_length=80)
    """A name for people; may repeat."""
    base: dict[str, Any] | str
    """The spec of a job, or the name of a recipe."""
    changes: dict[str, Any] = Field(default_factory=dict)
    """Fields of the base that are other than there, the same for all points."""
    grid: dict[str, list[Any]] = Field(default_factory=dict)
    """Field of the spec, such as optimisation.learning_rate -> its values."""
    random: RandomSpec | None = None
    """Points drawn at random."""
    limit: int = Field(default=100, ge=1, le=1000)
    """A sweep of more jobs than this is refused."""

    @field_validator("grid")
    @classmethod
    def _values(cls, grid: dict[str, list[Any]]) -> dict[str, list[Any]]:
        for field, values in grid.items():
            if not values:
                raise ValueError(f"{field} has no values")
        return {field: [as_number(value) for value in values] for field, values in grid.items()}

    @model_validator(mode="after")
    def _makes_sense(self) -> "SweepSpec":
        ranges = self.random.ranges if self.random else {}
        if not self.grid and not ranges:
            raise ValueError("give grid, random or both")
        if both := sorted({*self.grid} & {*ranges}):
            raise ValueError(f"{both[0]} stands in grid and in random; keep one")
        if taken := sorted({*self.grid, *ranges, *self.changes} & {*OURS}):
            raise ValueError(f"{taken[0]} cannot be changed by a sweep")
        count = math.prod(map(len, self.grid.values())) * (self.random.n if self.random else 1)
        if count > self.limit:
            raise ValueError(
                f"these are {count} jobs and limit is {self.limit}; have fewer points, or raise limit"
            )
        return self

    def points(self) -> list[Point]:
        """What each job changes. Raises: SpecError where two would be the same."""
        cells = [dict(zip(self.grid, cell, strict=True)) for cell in itertools.product(*self.grid.values())]
        found = [{**cell, **drawn} for cell in cells for drawn in self._draws()]
        if len({_key(point) for point in found}) < len(found):
            raise SpecError("grid: a value stands there twice, so two jobs would be the same.")
        return found

    def jobs(self, base: dict[str, Any], group: str = "") -> list[JobSpec]:
        """A spec for each point of a sweep over `base`. Raises: SpecError that names the point."""
        title = self.name or str(base.get("name") or "sweep")
        points = self.points()
        labels = _labels([*points[0]])
        return [_job(base, self.changes, point, title, labels, group) for point in points]

    def _draws(self) -> list[Point]:
        if self.random is None:
            return [{}]
        source, found = random.Random(self.random.seed), {}
        for _ in range(self.random.n * TRIES):
            drawn = {field: span.draw(source) for field, span in self.random.ranges.items()}
            found.setdefault(_key(drawn), drawn)
            if len(found) == self.random.n:
                return list(found.values())
        raise SpecError(f"random: the ranges hold hardly more than {len(found)} points; lower n.")


def _job(
    base: dict[str, Any], changes: Point, point: Point, title: str, labels: dict[str, str], group: str
) -> JobSpec:
    place = _cut(", ".join(f"{labels[field]}={_shown(value)}" for field, value in point.items()))
    data = copy.deepcopy(base)
    for field, value in {**changes, **point}.items():
        put(data, field, value)
    data["name"] = _cut(f"{title}: {place}")
    data["queue"] = {**(data.get("queue") or {}), "group": group, "place": place}
    return parse_spec(data, where=place)


def _cut(text: str, length: int = 120) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _labels(fields: list[str]) -> dict[str, str]:
    """The last part of each field's name, or the whole where two would be the same."""
    short = [field.rsplit(".", 1)[-1] for field in fields]
    return {f: s if short.count(s) == 1 else f for f, s in zip(fields, short, strict=True)}


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _key(point: Point) -> str:
    return json.dumps(point, sort_keys=True, default=str)
