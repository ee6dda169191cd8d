"""The models that there are: bundled ones, those in the home folder, and what finished runs made."""

import difflib
import threading
from collections.abc import Iterator
from pathlib import Path

from backend.services.checkpoints import ModelView, inspect, is_model_folder, signature
from backend.services.places import ASSETS, absolute, is_path
from jobs.protocol.errors import ModelError
from jobs.protocol.folder import CHECKPOINT, RUN_ID, RunFolder, is_whole
from jobs.specs.references import RUN_PREFIX


class ModelService:
    """Lists and finds models. Reads files only; a folder is read again when one of its files changed."""

    def __init__(self, home: Path, assets: Path = ASSETS):
        self.bundled_root = assets / "models"
        self.home_root = home / "models"
        self.runs_root = home / "runs"
        self._cache: dict[Path, tuple[tuple, ModelView]] = {}
        self._lock = threading.Lock()

    def list(self) -> list[ModelView]:
        """All models, bundled first, then the user's, then those of runs (newest first).

        Broken folders are in the list with a `problem`.
        """
        return [self._view(folder, name, source) for name, source, folder in self._folders()]

    def get(self, name: str) -> ModelView:
        """The view of a listed name, `run:ID` or a path. Raises: ModelError."""
        folder = self.resolve(name)
        for known, source, path in self._folders():
            if path == folder:
                return self._view(folder, known, source)
        if checkpoint := self._checkpoint(folder):
            return self._view(folder, checkpoint, "run")
        return self._view(folder, str(folder), "path")

    def resolve(self, name: str) -> Path:
        """The absolute folder behind a listed name, `run:ID`, `run:ID/checkpoint-STEP` or a path.

        Raises: ModelError that names the nearest models.
        """
        if name.startswith(RUN_PREFIX):
            return self._run_model(name)
        folders = {known: folder for known, _, folder in self._folders()}
        if name in folders:
            return folders[name]
        folder = absolute(name)
        if name and (folder.is_dir() if is_path(name) else is_model_folder(folder)):
            return folder
        if name.startswith(("/", "~", ".")):
            raise ModelError(f"{folder}: there is no such model folder.")
        raise ModelError(f"There is no model {name!r}. {_nearest(name, list(folders))}")

    def writer(self, name: str) -> Path:
        """The folder of a model that can write a text: one that denoises, or a causal one.

        Raises: ModelError for any other.
        """
        view = self._whole(name)
        return Path(view.path) if view.is_causal else self.dllm(name)

    def _whole(self, name: str) -> ModelView:
        """Raises: ModelError for a broken folder and an adapter."""
        view = self.get(name)
        if view.problem:
            raise ModelError(view.problem)
        if view.is_adapter:
            raise ModelError(
                f"{view.name} is a LoRA adapter, not a model; merge it first "
                f"(a job of kind convert with source {view.name})."
            )
        return view

    def dllm(self, name: str) -> Path:
        """The folder of a model that can denoise. Raises: ModelError for any other."""
        view = self._whole(name)
        if not view.is_dllm:
            raise ModelError(
                f"{view.name} is a causal language model, not a diffusion one yet; convert it first "
                f"(a job of kind convert with source {view.name})."
            )
        return Path(view.path)

    def _run_model(self, name: str) -> Path:
        run, _, checkpoint = name.removeprefix(RUN_PREFIX).partition("/")
        if RUN_ID.match(run) and CHECKPOINT.match(checkpoint):
            folder = RunFolder(self.runs_root / run).checkpoints / checkpoint
            if is_whole(folder):
                return folder
            raise ModelError(f"The run {run} has no whole {checkpoint} (any more).")
        if RUN_ID.match(run) and not checkpoint:
            folder = RunFolder(self.runs_root / run).model
            if folder.is_dir():
                return folder
            if folder.parent.is_dir():
                raise ModelError(f"The run {run} has no finished model (yet).")
        known = [known for known, source, _ in self._folders() if source == "run"]
        raise ModelError(f"There is no run {run!r} with a model. {_nearest(name, known)}")

    def _checkpoint(self, folder: Path) -> str | None:
        """`run:ID/checkpoint-STEP` of a checkpoint's folder."""
        run = RunFolder(folder.parents[1]) if len(folder.parents) > 1 else None
        if run is None or run.checkpoints != folder.parent or run.path.parent != self.runs_root.resolve():
            return None
        return f"{RUN_PREFIX}{run.id}/{folder.name}" if CHECKPOINT.match(folder.name) else None

    def _folders(self) -> Iterator[tuple[str, str, Path]]:
        seen: set[str] = set()
        for root, source in ((self.bundled_root, "bundled"), (self.home_root, "home")):
            for name, folder in _named_folders(root):
                if name not in seen:  # a bundled name is not hidden by a folder of the same name
                    seen.add(name)
                    yield name, source, folder
        runs = [p for p in _children(self.runs_root) if RUN_ID.match(p.name)]
        for run in sorted(runs, key=lambda p: int(p.name.rsplit("-", 1)[1]), reverse=True):
            folder = RunFolder(run).model
            if folder.is_dir():
                yield RUN_PREFIX + run.name, "run", folder

    def _view(self, folder: Path, name: str, source: str) -> ModelView:
        try:
            stamp = signature(folder)
        except OSError as error:
            return ModelView(
                name=name, path=str(folder), source=source, problem=f"{folder} cannot be read: {error}."
            )
        with self._lock:
            cached = self._cache.get(folder)
        if cached is not None and cached[0] == stamp and cached[1].name == name:
            return cached[1]
        view = inspect(folder, name, source)
        with self._lock:
            self._cache[folder] = (stamp, view)
        return view


def _children(root: Path) -> list[Path]:
    try:
        return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:
        return []


def _named_folders(root: Path) -> Iterator[tuple[str, Path]]:
    """Model folders under a root: `name`, or `owner/name` where a folder only holds folders."""
    for folder in _children(root):
        inner = _children(folder)
        if is_model_folder(folder) or not inner:
            yield folder.name, folder
        else:
            yield from ((f"{folder.name}/{p.name}", p) for p in inner)


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"Models: {', '.join(known)}." if known else "There are no models yet."
