"""What leaves the studio of a text that was written, and what comes in from another one.

A link needs nothing but the request's id. The rest is made when it is asked for and kept nowhere: the JSON
document, a Python script, moving pictures. The self-contained page is put together where the scripts lie
(ui/film_page.py).
"""

import secrets
import time
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from backend.services import film_document, film_script
from backend.services.models import ModelService
from backend.services.sampling import SamplingService
from jobs.protocol import trajectory
from jobs.protocol.errors import JobError, ModelError
from jobs.protocol.folder import RUN_ID, RunFolder, write_atomic
from jobs.specs.references import RUN_PREFIX

IMPORTED = "imported"
"""The folder among the runs whose trajectories were written elsewhere."""


@dataclass(frozen=True)
class SharingService:
    """Exports what a model server wrote, and takes in what another studio exported."""

    sampling: SamplingService
    models: ModelService
    runs: Path
    version: str

    def lines(self, request: str) -> list[dict[str, Any]]:
        """A trajectory that has ended, with the paths of this machine.

        Raises: JobError where there is none, or it is still being written.
        """
        self.sampling.settle(request)
        path = self.sampling.find(request)
        lines = trajectory.read(path) if path.exists() else []
        if not lines or lines[-1]["type"] != "end":
            raise JobError(f"The sample {request} is still being written; stop it, or wait for its end.")
        if lines[0]["type"] != "start":
            raise JobError(f"The sample {request} has no canvas to share: it failed before it had begun.")
        return lines

    def document(self, request: str) -> dict[str, Any]:
        """The JSON document of it (backend/services/film_document.py). Raises: JobError."""
        start, *rest = self.lines(request)
        named = {
            **start,
            "model": self._name(start["model"]),
            "pictures": [PurePath(file).name for file in start.get("pictures") or ()],
        }
        provenance = named.get("imported") or {
            "studio": self.version,
            "exported": int(time.time()),
            "request": request,
            "model": named["model"],
        }
        return film_document.document([named, *rest], provenance)

    def script(self, request: str) -> str:
        """The Python script that writes it again. Raises: JobError; ModelError without its model."""
        start, *rest = self.lines(request)
        if start.get("imported") and start.get("pictures"):
            raise JobError(
                "This text was written to pictures that did not come along; it cannot be written again."
            )
        stopped = len(rest) - 1 if rest[-1]["reason"] != "finished" else None
        return film_script.script(start, str(self.models.writer(str(start["model"]))), stopped)

    def take(self, content: bytes) -> str:
        """Keep a document that somebody exported, to be shown as a replay. Returns its request id here.

        Raises: DataError where it is none.
        """
        given = film_document.parse(content)
        request = f"{IMPORTED}_{secrets.token_hex(4)}"
        start, *rest = [line.model_dump(mode="json") for line in given.lines]
        here = {view.name: view.path for view in self.models.list()}
        start |= {"request": request, "parent": None, "imported": given.provenance.model_dump()}
        start["model"] = here.get(start["model"], start["model"])  # a listed one can be gone on with
        folder = RunFolder(self.runs / IMPORTED)
        folder.samples.mkdir(parents=True, exist_ok=True)
        write_atomic(folder.sample(request), "".join(map(trajectory.encode, [start, *rest])))
        return request

    def _name(self, model: str) -> str:
        """A model as others may read it: listed name, `run:train-0001`, or the last part of its folder."""
        try:
            view = self.models.get(model)
            if view.source != "path":
                return view.name
        except ModelError:  # it is gone, or was never here
            pass
        folder = PurePath(model)
        if folder.name == "model" and RUN_ID.match(folder.parent.name):
            return RUN_PREFIX + folder.parent.name
        return folder.name
