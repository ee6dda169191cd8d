"""What every importer works with: the other project's keys, the spec that grows, and what was left out.

A key is either read, or left with a reason. `Import.rest` names whatever an importer did not touch, so that
nothing is dropped in silence.
"""

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from jobs.protocol.errors import SpecError

UNKNOWN = "no setting here does this, or its name is not known"
OWN_FOLDER = "every run has a folder of its own"
CHOSEN = "chosen when the training starts"
LOADING = "rows are read and encoded before the training begins"
SHOWN = "the run page shows it"
PLACEHOLDER = "your-data.jsonl"


class Left(NamedTuple):
    """A key that is not in the spec, and why."""

    key: str
    value: Any
    reason: str


@dataclass
class Import:
    """One file on its way."""

    given: dict[str, Any]
    """The other project's settings, flat: {"train.lr": 1e-5}."""
    script: str = ""
    """The script of a command line, which says what is trained."""
    rows: int | None = None
    """Rows of the data, from the person who imports: turns epochs into steps."""
    processes: int = 1
    """Processes, which those files do not hold."""
    data: dict[str, Any] = field(default_factory=lambda: {"kind": "train"})
    left: list[Left] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def take(self, key: str, otherwise: Any = None) -> Any:
        """The value of a key, which counts as read; `otherwise` where the file has none."""
        value = self.given.pop(key, None)
        return otherwise if value is None or value == "" else value

    def put(self, place: str, value: Any) -> None:
        """Set a place of the spec, such as optimisation.steps; None sets nothing."""
        if value is None:
            return
        *groups, name = place.split(".")
        into = self.data
        for group in groups:
            into = into.setdefault(group, {})
        into[name] = value

    def copy(self, places: dict[str, str]) -> None:
        """Keys whose values mean the same here: {"train.lr": "optimisation.learning_rate"}."""
        for key, place in places.items():
            self.put(place, plain(self.take(key)))

    def leave(self, key: str, reason: str, value: Any = None) -> None:
        """Say why a key is not in the spec; `value` where it has been taken already."""
        if value is None:
            value = self.given.pop(key, None)
        if value is not None:
            self.left.append(Left(key, value, reason))

    def leave_all(self, reasons: dict[str, str]) -> None:
        for key, reason in reasons.items():
            self.leave(key, reason)

    def rest(self) -> None:
        """Everything that nobody has touched."""
        for key in [*self.given]:
            self.leave(key, UNKNOWN)
            self.given.pop(key, None)  # a key without a value says nothing

    def steps(self, key: str, epochs: Any, together: int) -> None:
        """Steps for so many passes over the data, of which `together` rows go into one step."""
        if epochs is None:
            return
        if self.rows is None:
            self.leave(key, "steps depend on the number of rows: import with --rows, or set it", epochs)
            return
        self.put("optimisation.steps", max(1, math.ceil(float(epochs) * self.rows / together)))

    def warmup(self, key: str, ratio: Any) -> None:
        """Warmup as a share of the steps."""
        steps = self.data.get("optimisation", {}).get("steps")
        if ratio is None or float(ratio) == 0:
            return
        if steps is None:
            self.leave(key, "a share of the steps, whose number is not known: set warmup_steps", ratio)
        else:
            self.put("optimisation.warmup_steps", math.ceil(float(ratio) * steps))


class Importer(Protocol):
    """What a file of this package has."""

    TITLE: str

    def detect(self, given: dict[str, Any], script: str) -> bool:
        """Whether these settings are of this project."""
        ...

    def convert(self, work: Import) -> None:
        """Move what is given into the spec. Raises: SpecError for what is not done here."""
        ...


def plain(value: Any) -> Any:
    """A value as YAML would have it: command lines, and YAML 1.1 for 1e-5, give numbers as text."""
    if not isinstance(value, str):
        return value
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def truth(value: Any) -> bool:
    """A switch of a file or a command line."""
    return plain(value) is True or plain(value) == 1


def whole(key: str, value: Any) -> int | None:
    """A whole number. Raises: SpecError."""
    if value is None:
        return None
    number = plain(value)
    if isinstance(number, int | float) and float(number).is_integer():
        return int(number)
    raise SpecError(f"{key}: {value!r} is no whole number.")
