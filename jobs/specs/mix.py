"""The notation for where rows come from, after dLLM's dataset arguments (ZHZisZZ/dllm):

stories                                  a name or path
stories[train:1000,test:100]             at most so many rows of these splits
stories + 0.5 * "my file.jsonl"          a mix; all of the first, every second row of the other
openai/gsm8k:main@<commit>[train,test]   the Hub: owner/name, subset, pinned revision
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from jobs.protocol.errors import DataError

PART = re.compile(
    r"\s*(?:(?P<weight>\d+(?:\.\d+)?)\s*\*\s*)?"
    r'(?:(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<plain>[^\[\]+*"]+?))\s*'
    r"(?:\[(?P<slices>[^\[\]]*)\])?\s*(?:\+|$)"
)
SLICE = re.compile(r"\s*(?P<split>\w+)\s*(?::\s*(?P<count>\d+))?\s*$")
SPECIAL = re.compile(r'[\[\]+*"]|^\s|\s$')
HUB = re.compile(r"^(?P<id>[\w.-]+/[\w.-]+?)(?::(?P<subset>[\w.-]+))?(?:@(?P<revision>[\w./-]+))?$", re.ASCII)
COMMIT = re.compile(r"^[0-9a-f]{40}$")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class HubName:
    """A data set on the Hub."""

    id: str
    subset: str | None
    revision: str | None


@dataclass(frozen=True)
class Part:
    """One source of a mix."""

    name: str
    weight: float = 1.0
    """How often each row is taken: 2 takes all twice, 0.5 every second one."""
    slices: Mapping[str, int | None] = field(default_factory=lambda: MappingProxyType({}))
    """Split -> rows taken of it at most; empty: as the source says."""

    def __str__(self) -> str:
        name = json.dumps(self.name, ensure_ascii=False) if SPECIAL.search(self.name) else self.name
        weight = "" if self.weight == 1 else f"{self.weight:g} * "
        taken = ",".join(s if n is None else f"{s}:{n}" for s, n in self.slices.items())
        return f"{weight}{name}[{taken}]" if taken else f"{weight}{name}"


def parse(text: str) -> tuple[Part, ...]:
    """The parts of a mix. Raises: DataError that says how it is written."""
    parts, at = [], 0
    while at < len(text) or not parts or text[at - 1] == "+":
        found = PART.match(text, at)
        if found is None or found.end() == at:
            raise DataError(
                f"data.path: {text!r} cannot be read at {text[at:][:30]!r}. A mix is written "
                'name[train:1000,test:100] + 0.5 * other, with " around names that have + * [ or ].'
            )
        quoted, plain = found["quoted"], found["plain"]
        weight = float(found["weight"] or 1)
        if weight <= 0:
            raise DataError(f"data.path: the weight before {quoted or plain} must be above 0.")
        parts.append(Part(json.loads(quoted) if quoted else plain, weight, _slices(found["slices"], text)))
        at = found.end()
    return tuple(parts)


def write(parts: tuple[Part, ...]) -> str:
    """The notation for these parts: what `parse` makes them of."""
    return " + ".join(map(str, parts))


def hub_name(name: str) -> HubName | None:
    """What a name says about the Hub, None where it cannot be of the Hub."""
    found = HUB.match(name)
    return HubName(found["id"], found["subset"], found["revision"]) if found else None


def _slices(text: str | None, whole: str) -> Mapping[str, int | None]:
    taken: dict[str, int | None] = {}
    for item in text.split(",") if text is not None else []:
        found = SLICE.match(item)
        if found is None or found["split"] in taken or found["count"] == "0":
            raise DataError(
                f"data.path: {whole!r}: [{text}] must name splits, each once: [train:1000,test:100]."
            )
        taken[found["split"]] = int(found["count"]) if found["count"] else None
    return MappingProxyType(taken)
