"""The settings of other projects as a train spec. IMPORTERS is the list of projects; the order is that of
detection."""

import re
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from jobs.protocol.errors import SpecError
from jobs.specs.importing import dfactory, dllm, llada, llama_factory
from jobs.specs.importing.base import Import, Importer, Left
from jobs.specs.job import TrainSpec

IMPORTERS: dict[str, Importer] = {
    "dfactory": dfactory,
    "llama-factory": llama_factory,
    "dllm": dllm,
    "llada": llada,
}


class Imported(NamedTuple):
    """A spec, where it came from, and what is not in it."""

    project: str
    """A name of IMPORTERS."""
    spec: TrainSpec
    left: list[Left]
    notes: list[str]


def import_config(text: str, where: str, rows: int | None = None, processes: int = 1) -> Imported:
    """A file, or a command line, as a train spec. `rows` and `processes` are what such files do not hold.

    Raises: SpecError where it cannot be read, is of no project that is known, or asks for what is not here.
    """
    given, script = settings(text, where)
    project = next((name for name, one in IMPORTERS.items() if one.detect(given, script)), None)
    if project is None:
        known = ", ".join(one.TITLE for one in IMPORTERS.values())
        raise SpecError(f"{where}: these are not the settings of {known}, as far as its keys tell.")
    work = Import(given, script, rows, processes)
    IMPORTERS[project].convert(work)
    work.rest()
    if not ({"path", "builder"} & work.data.get("data", {}).keys()):
        raise SpecError(f"{where}: it names no data, so there is nothing to train on.")
    spec = TrainSpec.parse(work.data, where)
    return Imported(project, spec, work.left, work.notes)


def settings(text: str, where: str) -> tuple[dict[str, Any], str]:
    """(settings, flat; script) of YAML, JSON or a command line. Raises: SpecError."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError:
        data = None
    if isinstance(data, Mapping):
        return flat(data), ""
    if "--" in text:
        return _command(text, where)
    raise SpecError(f"{where}: neither YAML, nor JSON, nor a command line with --arguments.")


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested groups as names with dots."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        found |= flat(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return found


def _command(text: str, where: str) -> tuple[dict[str, Any], str]:
    lines = [line for line in text.replace("\\\n", " ").splitlines() if not line.lstrip().startswith("#")]
    try:
        words = shlex.split(" ".join(lines))
    except ValueError as error:
        raise SpecError(f"{where}: this is no command line: {error}.") from None
    script = next((word for word in words if re.search(r"\.py$", word)), "")
    found: dict[str, Any] = {}
    for at, word in enumerate(words):
        if not word.startswith("--"):
            continue
        key, equals, value = word[2:].partition("=")
        following = words[at + 1] if at + 1 < len(words) else "--"
        bare = following.startswith("--") or following == script
        found[key.replace("-", "_")] = value if equals else True if bare else following
    return found, script
