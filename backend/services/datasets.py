"""The data sets that there are: bundled files, files in the home folder, and builders that make rows."""

import difflib
import json
import threading
from collections.abc import Container, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from backend.services.models import RUN_PREFIX
from backend.services.places import ASSETS, absolute, is_path, under
from jobs.protocol.errors import DataError
from jobs.protocol.folder import RUN_ID, RunFolder, read_json
from jobs.specs.builders import BUILDERS
from jobs.specs.mix import hub_name, parse, write

SUFFIXES = (".jsonl", ".json", ".txt")
COUNT_BYTES = 64_000_000  # rows are counted in at most so much of a file
PREVIEW_BYTES = 4_000_000
MESSAGE_KEYS = {"messages", "conversations", "completion", "instruction", "response", "output", "answer"}


class DatasetView(BaseModel):
    """What a person should know of a data set."""

    model_config = ConfigDict(frozen=True)

    name: str
    path: str = ""
    format: str = "unknown"  # messages | text | prompts | unknown
    rows: int | None = None
    rows_exact: bool = True
    size_bytes: int = 0
    source: str  # bundled | home | builder
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
        path = under(Path(view.path), *self.roots.values())
        return list(islice(_rows(path), max(0, min(n, 1000))))

    def list(self) -> list[DatasetView]:
        """Bundled files, the user's files, builders."""
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
        if is_path(name) or name.endswith(SUFFIXES):
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
                if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or not path.is_file():
                    continue
                name = path.stem if path.stem not in seen else path.name
                if name not in seen:
                    seen.add(name)
                    yield name, source, path

    def _view(self, name: str, source: str, path: Path) -> DatasetView:
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            with self._lock:
                cached = self._cache.get(path)
            if cached is not None and cached[0] == stamp and cached[1].name == name:
                return cached[1]
            first = next(_rows(path), None)
            rows, exact = _count(path)
        except (OSError, DataError) as error:
            return DatasetView(name=name, path=str(path), source=source, problem=str(error))
        view = DatasetView(
            name=name,
            path=str(path),
            format=_form(first),
            rows=rows,
            rows_exact=exact,
            size_bytes=stat.st_size,
            source=source,
            problem=_problem(path, first),
        )
        with self._lock:
            self._cache[path] = (stamp, view)
        return view

    def _unknown(self, name: str) -> DataError:
        known = [known for known, _, _ in self._files()] + list(BUILDERS)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Data sets: {', '.join(known)}."
        return DataError(f"there is no data set {name!r}. {hint}")


def _builder_view(name: str) -> DatasetView:
    info = BUILDERS[name]
    options = [option.model_dump(mode="json") for option in info.options]
    return DatasetView(
        name=name, format=info.format, source="builder", note=info.description, options=options
    )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows from the start of a file, at most PREVIEW_BYTES of it."""
    with open(path, "rb") as file:
        data = file.read(PREVIEW_BYTES)
    whole = len(data) < PREVIEW_BYTES
    if path.suffix.lower() == ".json":
        yield from _json_rows(path, data, whole)
        return
    lines = data.decode("utf-8-sig", "replace").split("\n")
    for line in lines if whole else lines[:-1]:
        if line.strip():
            yield {"text": line} if path.suffix.lower() == ".txt" else _row(line)


def _row(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        return {"broken": line[:2000]}
    return row if isinstance(row, dict) else {"broken": line[:2000]}


def _json_rows(path: Path, data: bytes, whole: bool) -> Iterator[dict[str, Any]]:
    if not whole:
        raise DataError(f"{path.name} is too big to be shown; save it as .jsonl, a row a line.")
    try:
        rows = json.loads(data)
    except ValueError as error:
        raise DataError(f"{path.name} is not valid JSON: {error}.") from None
    if not isinstance(rows, list):
        raise DataError(f"{path.name}: a .json file of rows is a list [...].")
    yield from (row if isinstance(row, dict) else {"broken": str(row)[:2000]} for row in rows)


def _count(path: Path) -> tuple[int | None, bool]:
    """(rows, whether that is all of them): non-empty lines, counted in the first COUNT_BYTES."""
    if path.suffix.lower() == ".json":
        return sum(1 for _ in _rows(path)), True
    count = seen = 0
    with open(path, "rb") as file:
        for line in file:
            seen += len(line)
            if seen > COUNT_BYTES:
                return count, False
            count += bool(line.strip())
    return count, True


def _form(row: dict[str, Any] | None) -> str:
    if not row or "broken" in row:
        return "unknown"
    if "text" in row:
        return "text"
    if MESSAGE_KEYS & row.keys():
        return "messages"
    return "prompts" if "prompt" in row else "unknown"


def _problem(path: Path, first: dict[str, Any] | None) -> str:
    if first is None:
        return f"{path.name} holds no rows."
    if "broken" in first:
        return f"{path.name}: the first row is not a JSON object."
    return ""
