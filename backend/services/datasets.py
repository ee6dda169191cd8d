"""The data sets that there are: bundled files, files and folders in the home folder, prepared data, and
builders that make rows. All that a training can read is in the list (jobs.specs.data_files)."""

import difflib
import threading
from collections.abc import Container, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from backend.services.first_rows import can_look, count_rows, first_rows, form_of
from backend.services.models import RUN_PREFIX
from backend.services.places import ASSETS, absolute, is_path, under
from jobs.protocol.counted import counted
from jobs.protocol.errors import DataError
from jobs.protocol.folder import RUN_ID, RunFolder, read_json
from jobs.specs.builders import BUILDERS
from jobs.specs.data_files import PREPARED, bare_name, is_rows, kind_of
from jobs.specs.mix import hub_name, parse, write

ENTRIES = 10_000  # files looked at in a folder
UNSEEN = "its rows are shown in the Data tab"


class DatasetView(BaseModel):
    """What a person should know of a data set."""

    model_config = ConfigDict(frozen=True)

    name: str
    path: str = ""
    format: str = "unknown"  # messages | text | prompts | unknown
    rows: int | None = None
    rows_exact: bool = True
    size_bytes: int = 0
    source: str  # bundled | home | prepared | builder
    note: str = ""
    options: list[dict[str, Any]] = []
    problem: str = ""


class DatasetService:
    """Lists data sets and shows their first rows. Serves no file outside its own folders."""

    def __init__(self, home: Path, assets: Path = ASSETS):
        self.roots = {"bundled": assets / "data", "home": home / "datasets"}
        self.prepared = home / "prepared"
        self._runs = home / "runs"
        self._cache: dict[Path, tuple[tuple[int, int], DatasetView]] = {}
        self._lock = threading.Lock()

    def preview(self, name: str, n: int = 5) -> list[dict[str, Any]]:
        """The first rows of a listed file, as they stand in it. A broken line is shown as {"broken": text}.

        Raises: DataError for an unknown name, AccessError for a file outside the data folders.
        """
        view = self.get(name)
        if view.source == "builder":
            raise DataError(f"{name} is a builder: its rows are made when a job starts.")
        path = under(Path(view.path), *self.roots.values(), self.prepared)
        if path.is_dir():
            raise DataError(f"{name} is a folder: {UNSEEN}.")
        return list(islice(first_rows(path), max(0, min(n, 1000))))

    def list(self) -> list[DatasetView]:
        """Bundled files, the user's files and folders, what was prepared, builders."""
        files = [self._view(name, source, path) for name, source, path in self._files()]
        return files + [_builder_view(name) for name in BUILDERS]

    def get(self, name: str) -> DatasetView:
        """One listed data set by its name. Raises: DataError."""
        for known, source, path in self._files():
            if known == name:
                return self._view(known, source, path)
        if name in BUILDERS:
            return _builder_view(name)
        raise self._unknown(name)

    def resolve(self, name: str) -> Path:
        """The absolute file or folder behind a listed name, `run:ID` of a preparation, or a path.

        Raises: DataError that names the missing file or the nearest names.
        """
        for known, _, path in self._files():
            if name in (known, path.name):
                return path
        if name.startswith(RUN_PREFIX):
            return self._prepared_by(name.removeprefix(RUN_PREFIX))
        path = absolute(name)
        if path.exists():
            return path
        if is_path(name) or kind_of(path):
            raise DataError(f"{path}: there is no such file.")
        raise self._unknown(name)

    def resolve_mix(self, text: str, listed: Container[str] = ()) -> str:
        """What a person wrote in data.path, with absolute paths in place of names. Names of the Hub stay, and
        those in `listed`, which a dataset_info.json explains. Raises: DataError."""
        try:
            return str(self.resolve(text)) if text not in listed else text
        except DataError as error:
            parts = parse(text)
            if [part.name for part in parts] == [text]:
                return self._of_the_hub(text, error)
        found = []
        for part in parts:
            if part.name not in listed:
                try:
                    part = replace(part, name=str(self.resolve(part.name)))
                except DataError as error:
                    part = replace(part, name=self._of_the_hub(part.name, error))
            found.append(part)
        return write(tuple(found))

    def _of_the_hub(self, name: str, error: DataError) -> str:
        """The name, if it is one of the Hub and pinned. Raises: the error, with a hint where it could be."""
        found = None if name.startswith(("/", ".", "~")) else hub_name(name)
        if found is None:
            raise error
        if found.revision is None:
            raise DataError(f"{error} If it is a data set of the Hub, write its commit too: {name}@<commit>.")
        return name

    def _prepared_by(self, run: str) -> Path:
        result = read_json(RunFolder(self._runs / run).result_json) if RUN_ID.match(run) else None
        if not result or "prepared" not in result:
            raise DataError(f"{RUN_PREFIX}{run} is no preparation that has finished.")
        return Path(result["prepared"])

    def _files(self) -> Iterator[tuple[str, str, Path]]:
        seen: set[str] = set()
        for source, root in self.roots.items():
            for path in sorted(root.glob("*")) if root.is_dir() else []:
                whole = is_rows(path) if path.is_file() else any(_rows_below(path))
                name = path.name if path.is_dir() else bare_name(path)
                name = name if name not in seen else path.name
                if whole and name not in seen and not path.name.startswith("."):
                    seen.add(name)
                    yield name, source, path
        for manifest in sorted(self.prepared.glob(f"*/{PREPARED}")):
            yield f"prepared-{manifest.parent.name[:8]}", "prepared", manifest.parent

    def _view(self, name: str, source: str, path: Path) -> DatasetView:
        if path.is_dir():  # what is in its files may change without a mark on the folder
            return self._folder_view(name, source, path)
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            with self._lock:
                cached = self._cache.get(path)
            if cached is not None and cached[0] == stamp and cached[1].name == name:
                return cached[1]
            facts = _file(path)
        except (OSError, DataError) as error:
            return DatasetView(name=name, path=str(path), source=source, problem=str(error))
        view = DatasetView(name=name, path=str(path), source=source, size_bytes=stat.st_size, **facts)
        with self._lock:
            self._cache[path] = (stamp, view)
        return view

    def _folder_view(self, name: str, source: str, path: Path) -> DatasetView:
        try:
            facts: dict[str, Any] = _prepared(path) if source == "prepared" else _folder(path)
        except (OSError, DataError) as error:
            return DatasetView(name=name, path=str(path), source=source, problem=str(error))
        return DatasetView(name=name, path=str(path), source=source, **facts)

    def _unknown(self, name: str) -> DataError:
        known = [known for known, _, _ in self._files()] + list(BUILDERS)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Data sets: {', '.join(known)}."
        return DataError(f"There is no data set {name!r}. {hint}")


def _builder_view(name: str) -> DatasetView:
    info = BUILDERS[name]
    options = [option.model_dump(mode="json") for option in info.options]
    return DatasetView(
        name=name, format=info.format, source="builder", note=info.description, options=options
    )


def _file(path: Path) -> dict[str, Any]:
    """What the list says of a file. Raises: DataError, OSError."""
    if not can_look(path):
        return {"note": UNSEEN}
    first = next(first_rows(path), None)
    rows, exact = count_rows(path)
    return {"format": form_of(first), "rows": rows, "rows_exact": exact, "problem": _problem(path, first)}


def _folder(path: Path) -> dict[str, Any]:
    """The same of a folder: its files together, in the form of the first. Raises: DataError, OSError."""
    files = _files_in(path)
    form = form_of(next(first_rows(files[0]), None)) if can_look(files[0]) else "unknown"
    size = sum(file.stat().st_size for file in files)
    return {"format": form, "size_bytes": size, "note": f"a folder, {counted(len(files), 'file')}; {UNSEEN}"}


def _prepared(path: Path) -> dict[str, Any]:
    """The same of prepared data, by its own account. Raises: DataError, OSError."""
    try:
        made = read_json(path / PREPARED) or {}
        data, kind, tokens = made["data"], made["kind"], sum(made["tokens"])
        rows = sum(made["sequences"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{PREPARED} cannot be read ({error}); prepare the data again.") from None
    source = data.get("path") or f"builder {data.get('builder')}"
    note = f"{Path(source).name}: {counted(tokens, 'token')} for data.max_length {data.get('max_length')}"
    size = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    return {"format": kind, "rows": rows, "size_bytes": size, "note": note}


def _files_in(folder: Path) -> list[Path]:
    """Its files of rows, below it too, in the order of their names."""
    return sorted(_rows_below(folder))


def _rows_below(folder: Path) -> Iterator[Path]:
    found = islice(folder.rglob("*"), ENTRIES) if folder.is_dir() else ()
    return (path for path in found if is_rows(path) and path.is_file())


def _problem(path: Path, first: dict[str, Any] | None) -> str:
    if first is None:
        return f"{path.name} holds no rows."
    if "broken" in first:
        return f"{path.name}: the first row is not a JSON object."
    return ""
