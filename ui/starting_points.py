"""Where a form can start from: recipes, earlier runs, and a person's own files."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from jobs.protocol.errors import SpecError, StudioError
from jobs.specs.importing import IMPORTERS, import_config
from jobs.specs.load import parse_spec, read_yaml, to_yaml
from ui.words import say

if TYPE_CHECKING:
    from backend.services.training import Recipe
    from backend.studio import Studio

RECIPE, RUN = "recipe:", "run:"
FIRST = "sudoku-4x4"  # a minute on two cores
RUNS_SHOWN = 30
DEMOS, PUBLISHED = say("Demos and yours"), say("Published settings")
DEBUG, RUNS = say("Debug size"), say("Earlier runs")
GROUPS = (DEMOS, PUBLISHED, DEBUG, RUNS)


def choices(studio: "Studio", group: str = DEMOS, kind: str = "train") -> list[tuple[str, str]]:
    """(label, value) of what a form can start from, of one of GROUPS."""
    if group == RUNS:
        runs = studio.jobs.list(kinds=[kind], limit=RUNS_SHOWN)
        return [
            (say("Again: {name}", name=f"{run.name or run.id}  ({run.id})"), RUN + run.id) for run in runs
        ]
    recipes = [r for r in studio.training.recipes() if r.spec.get("kind") == kind or r.problem]
    recipes = sorted((r for r in recipes if group_of(r) == group), key=lambda r: r.name != FIRST)
    return [(f"{r.title}  ({r.name})", RECIPE + r.name) for r in recipes]


def group_of(recipe: "Recipe") -> str:
    """The one of GROUPS that a recipe belongs to."""
    return {"": DEMOS, "debug": DEBUG}.get(recipe.group, PUBLISHED)


def load(studio: "Studio", chosen: str, kind: str = "train") -> tuple[dict[str, Any], str]:
    """(spec as data, one line about it) of a recipe, a run or a path to a YAML file.

    Raises: SpecError or JobError with a sentence.
    """
    chosen = (chosen or "").strip()
    if chosen.startswith(RECIPE):
        recipe = studio.training.recipe(chosen.removeprefix(RECIPE))
        if recipe.problem:
            raise SpecError(recipe.problem)
        return check(recipe.spec, kind, recipe.path), recipe.note
    if chosen.startswith(RUN):
        run = studio.jobs.get(chosen.removeprefix(RUN))
        return check(_clone(run.spec, run.id), kind, run.id), say("The spec of {run}.", run=run.id)
    if not chosen:
        raise SpecError(say("Choose a recipe or a run, or give the path of a YAML file."))
    path = Path(chosen).expanduser()
    data = read_yaml(path)
    if "kind" not in data:
        return imported(path.read_text(encoding="utf-8"), path.name)
    return check(data, kind, str(path)), say("From {path}.", path=path)


def _clone(spec: dict[str, Any], run: str) -> dict[str, Any]:
    """A run's spec for a run of its own that knows its origin: not one more of the sweep or pipeline that the
    run belonged to."""
    queue = {key: value for key, value in (spec.get("queue") or {}).items() if key not in ("group", "place")}
    return {**spec, "queue": {**queue, "clone_of": run}}


def from_link(text: str) -> tuple[dict[str, Any], str]:
    """(spec as data, one line about it) of a shared link. It starts nothing. Raises: SpecError."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError:
        raise SpecError(say("The link was cut or changed on its way; ask for it once more.")) from None
    return check(data, "train", "the link"), say("From a link.")


def imported(text: str, where: str) -> tuple[dict[str, Any], str]:
    """(spec as data, one line about it) of another project's settings. Raises: SpecError."""
    found = import_config(text, where)
    note = say("Settings of {project}.", project=IMPORTERS[found.project].TITLE)
    note = " ".join([note, *found.notes])
    if found.left:
        left = "; ".join(f"{item.key}: {item.reason}" for item in found.left)
        note = f"{note} {say('Not taken: {keys}.', keys=left)}"
    return found.spec.model_dump(mode="json"), note


def check(data: dict[str, Any], kind: str, where: str) -> dict[str, Any]:
    """The same data if it is a spec of this kind. Raises: SpecError."""
    spec = parse_spec(data, where=Path(where).name)
    if spec.kind != kind:
        raise SpecError(
            say(
                "{file} is a {found} spec; this form is for {kind}.",
                file=Path(where).name,
                found=spec.kind,
                kind=kind,
            )
        )
    return data


def normal_yaml(data: dict[str, Any]) -> str:
    """The spec in the form in which the review shows it; "" for one that is not valid."""
    try:
        return to_yaml(parse_spec(data))
    except StudioError:
        return ""


def from_bytes(content: bytes, kind: str = "train") -> tuple[dict[str, Any], str]:
    """(spec as data, one line about it) of a file that was sent from the browser. Raises: SpecError."""
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(content or b"")
        file.flush()
        try:
            data = read_yaml(Path(file.name))
            if "kind" not in data:
                return imported(content.decode(), "your file")
            return check(data, kind, file.name), say("From your file.")
        except SpecError as error:
            raise SpecError(str(error).replace(file.name, "your file")) from None
