"""Names into paths, before a spec goes into a run folder: programs know nothing of the home folder."""

import difflib
import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

from backend.services.datasets import DatasetService
from backend.services.models import ModelService
from backend.services.places import ASSETS, absolute
from jobs.protocol.errors import DataError, ModelError, SpecError
from jobs.protocol.folder import read_json
from jobs.specs.base import Spec
from jobs.specs.builders import BUILDERS
from jobs.specs.data import DataSpec
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.families import FAMILIES
from jobs.specs.job import ConvertSpec, JobSpec, ModelSpec, PrepareSpec, SampleSpec, ServeSpec, TrainSpec
from jobs.specs.launcher import LauncherSpec, machines
from jobs.specs.objective import ARObjective, objective_for
from jobs.specs.references import promised

HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")
CHARACTERS = "characters:"
NEW_OBJECTIVE = DiffusionConfig.model_fields["objective"].default
PROMPT_SUFFIXES = (".txt", ".jsonl")


class Resolver:
    """Turns a spec as a person writes it into one with absolute paths. Calling it twice changes nothing."""

    def __init__(self, models: ModelService, datasets: DatasetService, assets: Path = ASSETS):
        self.models = models
        self.datasets = datasets
        self.tokenizers_root = assets / "tokenizers"
        self._by_kind: dict[str, Callable[[JobSpec], JobSpec]] = {
            "train": self._train,
            "convert": self._convert,
            "prepare": self._prepare,
            "sample": self._sample,
            "serve": self._serve,
            "inspect": lambda spec: spec,
        }

    def __call__(self, spec: JobSpec) -> JobSpec:
        """The same job with every name replaced by an absolute path that exists.

        Only the results of runs that the job waits for (`queue.after`) keep their names, run:ID: they are
        found when it starts. Raises: ModelError, DataError or SpecError with one sentence.
        """
        return self._by_kind[spec.kind](spec)

    def _train(self, spec: JobSpec) -> JobSpec:
        spec = cast(TrainSpec, spec)
        later = promised(spec)
        changes = {
            "model": self._start(spec, later),
            "data": self._ahead(spec.data if spec.data.path in later else self.data(spec.data)),
            "objective": spec.objective if spec.model.path in later else self._objective(spec),
            "launcher": self._launcher(spec.launcher),
        }
        return spec.model_copy(update=changes)

    def _launcher(self, launcher: LauncherSpec) -> LauncherSpec:
        """With its hostfile read: what that says later changes nothing. Raises: SpecError."""
        return launcher.model_copy(update={"hosts": machines(launcher), "hostfile": None})

    def _objective(self, spec: TrainSpec) -> Spec:
        """The chosen one, else the checkpoint's. Raises: SpecError, ModelError."""
        if spec.model.path is None:
            family = FAMILIES.get((spec.model.new and spec.model.new.family) or "")
            start = (family.objective, family.block_size) if family else (NEW_OBJECTIVE, None)
            return objective_for(spec.objective, *start)
        start = self.models.get(spec.model.path)
        return objective_for(spec.objective, start.objective, start.block_size, start.schedule)

    def _start(self, spec: TrainSpec, later: frozenset[str]) -> ModelSpec:
        model = spec.model
        if model.path in later:
            return model
        if model.path is not None and isinstance(spec.objective, ARObjective):  # wants a causal model
            return model.model_copy(update={"path": str(self.models.resolve(model.path))})
        if model.path is not None:
            return model.model_copy(update={"path": str(self.models.dllm(model.path))})
        assert model.new is not None  # ModelSpec checks that one of the two is given
        tokenizer = self.tokenizer(model.new.tokenizer, later)
        return model.model_copy(update={"new": model.new.model_copy(update={"tokenizer": tokenizer})})

    def data(self, data: DataSpec) -> DataSpec:
        """With absolute paths in place of names. Raises: DataError, SpecError."""
        if data.path is None:
            if data.builder not in BUILDERS:
                raise SpecError(f"data.builder: there is no builder {data.builder!r}. {_names(BUILDERS)}")
            return data
        if data.path in BUILDERS and not absolute(data.path).exists():
            raise DataError(f"{data.path} is a builder, not a file: write data.builder, not data.path.")
        if data.info is None:
            return data.model_copy(update={"path": self.datasets.resolve_mix(data.path)})
        info = self.datasets.resolve(data.info)
        try:
            listed = read_json(info)
        except (OSError, ValueError) as error:
            raise DataError(f"data.info: {info.name} cannot be read as JSON: {error}.") from None
        path = self.datasets.resolve_mix(data.path, listed if isinstance(listed, dict) else ())
        return data.model_copy(update={"path": path, "info": str(info)})

    def _ahead(self, data: DataSpec) -> DataSpec:
        """With the folder for what is tokenized before the training."""
        folder = absolute(data.ahead_folder) if data.ahead_folder else self.datasets.prepared
        return data.model_copy(update={"ahead_folder": str(folder)})

    def _prepare(self, spec: JobSpec) -> JobSpec:
        spec = cast(PrepareSpec, spec)
        changes = {
            "data": self.data(spec.data),
            "tokenizer": self.tokenizer(spec.tokenizer, promised(spec)),
            "folder": str(absolute(spec.folder) if spec.folder else self.datasets.prepared),
        }
        return spec.model_copy(update=changes)

    def tokenizer(self, name: str, later: frozenset[str] = frozenset()) -> str:
        """A tokenizer folder behind a bundled name, a model's name or a path; `characters:` and names in
        `later` stay.

        Raises: ModelError where there is none.
        """
        if name.startswith(CHARACTERS) or name in later:
            return name
        bundled = self.tokenizers_root / name
        if bundled.is_dir() and bundled.parent == self.tokenizers_root:
            return str(bundled)
        try:
            return str(self.models.resolve(name))
        except ModelError:
            known = sorted(p.name for p in self.tokenizers_root.glob("*") if p.is_dir())
            raise ModelError(
                f"there is no tokenizer {name!r}; give a folder, a listed model or {CHARACTERS}ABC. "
                f"{_names(known, name)}"
            ) from None

    def _convert(self, spec: JobSpec) -> JobSpec:
        spec = cast(ConvertSpec, spec)
        later = promised(spec)
        changes = {"source": self._source(spec.source, later)}
        if spec.lora_base is not None:
            changes["lora_base"] = self._source(spec.lora_base, later)
        return spec.model_copy(update=changes)

    def _source(self, name: str, later: frozenset[str]) -> str:
        """The absolute path of a file or model; a Hub id that is not on this disk stays, for the job has a
        cache to look it up in. Raises: ModelError."""
        if name in later:
            return name
        path = absolute(name)
        if name.lower().endswith(".gguf"):
            if not path.is_file():
                raise ModelError(f"{path}: there is no such file.")
            return str(path)
        try:
            return str(self.models.resolve(name))
        except ModelError:
            if HUB_ID.match(name):
                return name
            raise

    def _sample(self, spec: JobSpec) -> JobSpec:
        spec = cast(SampleSpec, spec)
        prompts = self.datasets.resolve(spec.prompts)
        if prompts.suffix.lower() not in PROMPT_SUFFIXES:
            raise DataError(f"{prompts}: prompts are a .txt file (a prompt a line) or a .jsonl file.")
        model = spec.model if spec.model in promised(spec) else str(self.models.dllm(spec.model))
        return spec.model_copy(update={"model": model, "prompts": str(prompts)})

    def _serve(self, spec: JobSpec) -> JobSpec:
        spec = cast(ServeSpec, spec)
        if spec.model is None or spec.model in promised(spec):
            return spec
        return spec.model_copy(update={"model": str(self.models.dllm(spec.model))})


def _names(known: object, wanted: str = "") -> str:
    names = [str(n) for n in known]  # type: ignore[attr-defined]
    near = difflib.get_close_matches(wanted, names, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Known: {', '.join(names)}." if names else ""
