"""Recipes, and what a job would look like before it starts."""

import re
import shlex
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from backend.services.estimates import Need
from backend.services.places import ASSETS
from backend.services.resolve import Resolver
from jobs.protocol.errors import SpecError, StudioError
from jobs.protocol.folder import write_atomic
from jobs.specs.groups import check_any
from jobs.specs.job import JobSpec, TrainSpec
from jobs.specs.load import parse_spec, read_yaml, to_yaml
from jobs.specs.objective import ARObjective
from jobs.specs.references import promised

RECIPE_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,63}$")


class Commands(Protocol):
    """The part of JobService that the preview needs."""

    def command(self, spec: JobSpec | dict[str, Any]) -> list[str]:
        """The argv that would carry out a spec."""
        ...


class Recipe(BaseModel):
    """A spec file that a person can start from."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    note: str = ""
    spec: dict[str, Any] = {}
    yaml: str = ""
    source: str  # bundled | home
    path: str
    group: str = ""
    """The folder that it lies in: debug, or a system with its published settings; none: the demos."""
    problem: str = ""


class Preview(BaseModel):
    """What would start: the spec as YAML and the exact command. `problem` says why it would not."""

    model_config = ConfigDict(frozen=True)

    yaml: str = ""
    command: list[str] = []
    command_text: str = ""
    spec: dict[str, Any] = {}
    notes: list[str] = []
    """What nobody typed but the job will do, a sentence each."""
    need: Need | None = None
    """What a training will need, by estimate."""
    problem: str = ""


class TrainingService:
    """Recipes (bundled and the user's own) and previews."""

    def __init__(
        self,
        jobs: Commands,
        resolver: Resolver,
        home: Path,
        assets: Path = ASSETS,
        need: Callable[[JobSpec], Need | None] = lambda spec: None,
        warnings: Callable[[JobSpec], list[str]] = lambda spec: [],
    ):
        self.jobs, self.resolver, self.need, self.warnings = jobs, resolver, need, warnings
        self.roots = {"bundled": assets / "recipes", "home": home / "recipes"}
        self._cache: dict[Path, tuple[int, Recipe]] = {}
        self._lock = threading.Lock()

    def recipes(self) -> list[Recipe]:
        """All recipes; a user's own one replaces a bundled one of the same name."""
        found: dict[str, Recipe] = {}
        for source, root in self.roots.items():
            for path in sorted(root.glob("*.yaml")) + sorted(root.glob("*/*.yaml")):
                name = path.relative_to(root).with_suffix("").as_posix()
                found[name] = self._read(path, source, name)
        return list(found.values())

    def recipe(self, name: str) -> Recipe:
        """One recipe. Raises: SpecError where there is none of that name."""
        recipes = self.recipes()
        for recipe in recipes:
            if recipe.name == name:
                return recipe
        raise SpecError(f"There is no recipe {name!r}. Recipes: {', '.join(r.name for r in recipes)}.")

    def preview(self, spec: JobSpec | dict[str, Any]) -> Preview:
        """YAML and command of a spec. A wrong spec is not raised: what is wrong stands in `problem`."""
        text, data = "", {}
        try:
            parsed = parse_spec(spec) if isinstance(spec, dict) else spec
            text, data = to_yaml(parsed), parsed.model_dump(mode="json")
            resolved = self.resolver(parsed)
            command = self.jobs.command(resolved)
            data = resolved.model_dump(mode="json")
            notes = [*self.notes(parsed, resolved), *self.warnings(resolved)]
            need = self.need(resolved)
        except StudioError as error:
            return Preview(yaml=text, spec=data, problem=str(error))
        return Preview(
            yaml=text,
            command=command,
            command_text=shlex.join(command),
            spec=data,
            notes=notes,
            need=need,
            problem=need.problem if need is not None else "",
        )

    def notes(self, spec: JobSpec, resolved: JobSpec) -> list[str]:
        """What a training takes from its checkpoint: objective, alignment of the logits, blocks."""
        if not isinstance(spec, TrainSpec) or not isinstance(resolved, TrainSpec):
            return []
        path, objective = resolved.model.path, resolved.objective
        if path in promised(resolved):
            return [f"It starts from the model of {path}, which is looked at when that has been made."]
        assert objective is not None  # the resolver sees to it
        if isinstance(objective, ARObjective):
            return [f"Objective: {objective.name}: the result is a causal model, not a dLLM."]
        start = self.resolver.models.get(path) if path is not None else None
        chosen = "as you chose" if spec.objective is not None else "the default for a new model"
        if start is not None:
            same = start.objective == objective.name
            chosen = (
                "as the checkpoint was trained"
                if same
                else f"the checkpoint was trained with {start.objective}"
            )
        found = [f"Objective: {objective.name}, {chosen}."]
        if start is not None:
            where = "the next position's" if start.shifted else "its own position's"
            found.append(f"Each output predicts {where} token, as the checkpoint does.")
        block = getattr(objective, "block_size", None)
        return [*found, f"Blocks of {block} tokens."] if block else found

    def save_recipe(
        self,
        name: str,
        spec: JobSpec | dict[str, Any],
        title: str = "",
        note: str = "",
        overwrite: bool = False,
    ) -> Recipe:
        """Write home/recipes/<name>.yaml. The title becomes the name of its runs.

        Raises: SpecError for a bad name, a wrong spec, or a name that is taken.
        """
        if not RECIPE_NAME.match(name):
            raise SpecError(
                f"recipe name {name!r}: use small letters, digits and hyphens, such as my-first-run."
            )
        parsed = parse_spec(spec) if isinstance(spec, dict) else spec
        path = self.roots["home"] / f"{name}.yaml"
        if path.exists() and not overwrite:
            raise SpecError(f"There is a recipe {name!r} already; choose another name or overwrite it.")
        path.parent.mkdir(parents=True, exist_ok=True)
        named = parsed.model_copy(update={"name": (title or parsed.name or name)[:120]})
        head = "".join(f"# {line}\n" for line in note.splitlines())
        write_atomic(path, head + to_yaml(named))
        return self._read(path, "home", name)

    def _read(self, path: Path, source: str, name: str) -> Recipe:
        try:
            stamp = path.stat().st_mtime_ns
            with self._lock:
                cached = self._cache.get(path)
            if cached is not None and cached[0] == stamp:
                return cached[1]
            text = path.read_text(encoding="utf-8")
            facts: dict[str, Any] = {"title": path.stem, "note": leading_comment(text), "yaml": text}
            try:
                facts["spec"] = read_yaml(path)
                facts["title"] = str(facts["spec"].get("name") or path.stem)
                check_any(facts["spec"], where=path.name)
            except StudioError as error:
                facts["problem"] = str(error)
        except (OSError, UnicodeDecodeError) as error:
            facts, stamp = {"title": path.stem, "problem": f"{path} cannot be read: {error}."}, 0
        recipe = Recipe(name=name, source=source, path=str(path), group=name.rpartition("/")[0], **facts)
        with self._lock:
            self._cache[path] = (stamp, recipe)
        return recipe


def leading_comment(text: str) -> str:
    """The comment at the top of a YAML file, as one paragraph."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("#").strip())
    return " ".join(line for line in lines if line)
