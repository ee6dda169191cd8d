"""Asks the process that looks at data: checks, statistics, previews, pages of rows, new versions.

It is an `inspect` job of its own, started by the first question and gone when nobody asks. A question is
answered at once: by the answer, or by {"state": "starting" or "running", ...}, and is then asked again.
"""

import re
import threading
from pathlib import Path
from typing import Any

from backend.services.datasets import DatasetService
from backend.services.jobs import JobService
from backend.services.model_server import Unreachable, ask
from backend.services.places import absolute, under
from backend.services.resolve import Resolver
from jobs.protocol.errors import DataError, JobError
from jobs.protocol.folder import RunFolder, read_json
from jobs.protocol.states import State
from jobs.specs.builders import BUILDERS
from jobs.specs.data import DataSpec
from jobs.specs.data_files import LINEAGE
from jobs.specs.inspect import VersionAsk, parse_ask
from jobs.specs.job import InspectSpec, TrainSpec
from jobs.specs.mix import parse

USABLE = (State.QUEUED, State.STARTING, State.RUNNING)
ANSWER_SECONDS = 120.0  # for a page of rows far down in a large file
VERSION_NAME = re.compile(r"^[A-Za-z0-9][\w-]{0,63}$")


class LookingService:
    """One process that looks at data, started when it is needed."""

    def __init__(
        self,
        jobs: JobService,
        resolver: Resolver,
        datasets: DatasetService,
        home: Path,
        idle_seconds: int = 300,
    ):
        self.jobs, self.resolver, self.datasets = jobs, resolver, datasets
        self.home, self.runs_root, self.idle_seconds = home, home / "runs", idle_seconds
        self._starting = threading.Lock()

    def look(self, words: dict[str, Any]) -> dict[str, Any]:
        """The answer to one question of jobs.specs.inspect, names of data and models as a person writes them;
        {"state": "starting", "phase": ...} while the process is on its way.

        Raises: SpecError, DataError, ModelError; AccessError for files outside the studio's folders.
        """
        question = parse_ask(self._named(words))
        asked = question.model_dump(mode="json")
        asked["data"] = self._data(asked["data"])
        if asked.get("model") is not None:
            asked["model"] = self._model(asked["model"], asked.get("objective"))
        job = self._process()
        try:
            reply = self._ask(job.id, asked)
        except Unreachable:
            return {"state": "starting", "phase": job.phase or "", "job": job.id}
        if not reply.pop("ok", False):
            raise DataError(str(reply.get("error", "the process that looks at data refused.")))
        if reply.get("state") == "failed":
            raise DataError(str(reply["error"]))
        return reply

    def versions(self) -> list[dict[str, Any]]:
        """What is known of each version in the data folder, newest first: name, source, what was changed."""
        found = []
        for file in self.datasets.roots["home"].glob(f"*{LINEAGE}"):
            lineage = read_json(file)
            rows = file.with_name(file.name.removesuffix(LINEAGE) + ".jsonl")
            if isinstance(lineage, dict) and rows.is_file():
                found.append({"name": rows.stem, "path": str(rows), **lineage})
        return sorted(found, key=lambda version: -version.get("created", 0))

    def lineage(self, path: str) -> list[dict[str, Any]]:
        """A file and what it came from, back to the first: each with what was changed on the way."""
        known = {version["path"]: version for version in self.versions()}
        chain: list[dict[str, Any]] = []
        while path in known and known[path] not in chain:
            chain.append(known[path])
            path = str(known[path]["source"])
        return chain

    def _named(self, words: dict[str, Any]) -> dict[str, Any]:
        """A version's `target` is a name; the file lies in the data folder."""
        if words.get("op") != VersionAsk.model_fields["op"].default:
            return words
        name = str(words.get("target", ""))
        if not VERSION_NAME.match(name):
            raise DataError(f"The name {name!r} of a version: use letters, digits, - and _, such as mine-v2.")
        return {**words, "target": str(self.datasets.roots["home"] / f"{name}.jsonl")}

    def _data(self, data: dict[str, Any]) -> dict[str, Any]:
        """As a training has it, of the studio's folders alone. Raises: DataError, SpecError, AccessError."""
        spec = self.resolver.data(DataSpec.parse(data))
        for path in local_files(spec):
            under(path, *self.datasets.roots.values(), self.datasets.prepared, self.runs_root)
        return spec.model_dump(mode="json")

    def _model(self, model: dict[str, Any], objective: dict[str, Any] | None) -> dict[str, Any]:
        """As the resolver of a training has it. Raises: ModelError, SpecError."""
        data = {"builder": "stories"}  # a training needs some data; this one is never read
        spec = TrainSpec.parse({"model": model, "data": data, "objective": objective})
        resolved = self.resolver(spec)
        assert isinstance(resolved, TrainSpec)
        return resolved.model.model_dump(mode="json")

    def _process(self) -> Any:
        """The inspect job that there is, or a new one. Two clicks at once must not start two."""
        with self._starting:
            found = self.jobs.list(states=[str(s) for s in USABLE], kinds=["inspect"], limit=5)
            running = [job for job in found if job.state == State.RUNNING]
            if usable := next(iter(running or found), None):
                return usable
            return self.jobs.submit(InspectSpec(name="Data", priority=100, idle_seconds=self.idle_seconds))

    def _ask(self, run: str, words: dict[str, Any]) -> dict[str, Any]:
        attempt = RunFolder(self.runs_root / run).latest_attempt()
        if attempt is None:
            raise Unreachable("it has not started yet")
        return ask(attempt.socket, words, ANSWER_SECONDS)

    def status(self) -> dict[str, Any]:
        """Which process looks at data, if one does."""
        found = self.jobs.list(states=[str(s) for s in USABLE], kinds=["inspect"], limit=1)
        return {"job": found[0].id if found else None}

    def leave(self) -> None:
        """Let the process go. Raises: JobError where none runs."""
        job = self.status()["job"]
        if job is None:
            raise JobError("No process looks at data.")
        self.jobs.stop(job)


def local_files(data: DataSpec) -> list[Path]:
    """What a resolved spec would have read on this machine: files, folders, and what links in these lead to.
    What a dataset_info.json names lies below its folder, or at the Hub (jobs.data.dataset_info)."""
    whole = data.path is not None and Path(data.path).exists()
    names = [data.path] if whole else [part.name for part in parse(data.path)] if data.path else []
    found = [Path(str(name)) for name in names]
    found += [Path(data.info).parent] if data.info else []
    given = data.options.get("path")
    if given and given not in [option.default for option in BUILDERS[str(data.builder)].options]:
        found.append(absolute(str(given)))
    found = [path for path in found if path.is_absolute()]  # the others are names, of the Hub or of a list
    return found + [link for path in found for link in path.rglob("*") if link.is_symlink()]
