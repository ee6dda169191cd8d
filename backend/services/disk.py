"""Whether the disk has room for what a job will write: told before it is submitted, refused at its start."""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from backend.services.estimates import EstimateService, size
from backend.store import Store
from backend.store.tables import jobs
from jobs.protocol.errors import ModelError, ResourceError
from jobs.protocol.folder import RunFolder
from jobs.protocol.states import ACTIVE
from jobs.specs.job import ConvertSpec, JobSpec, PrepareSpec, TrainSpec
from jobs.specs.load import parse_spec
from jobs.specs.storage import of_conversion, of_preparation, of_training

SPARE = 8 * 2**20  # for logs, events and the database
PACKED = (".gz", ".bz2", ".xz", ".zst", ".parquet")
REMEDIES = {
    "train": "Free space, keep fewer checkpoints (report.keep_checkpoints), or move the home folder.",
    "convert": "Free space, or move the home folder to a larger disk.",
    "prepare": "Free space, or name a folder on another disk (folder).",
}


class Room(BaseModel):
    """What a job has yet to write, and what is free for it. Bytes."""

    model_config = ConfigDict(frozen=True)

    parts: dict[str, int]
    """By what for, at the moment when most is there."""
    there: int = 0
    """Of it already written, by an earlier attempt."""
    others: int = 0
    """What running jobs have yet to write to the same disk."""
    free: int
    """Free there now."""
    folder: str

    @property
    def needed(self) -> int:
        """What is to be written beside what is there."""
        return max(0, sum(self.parts.values()) - self.there)

    @property
    def problem(self) -> str:
        """One sentence where it does not fit; empty where it does."""
        if not self.needed or self.needed + self.others + SPARE <= self.free:
            return ""
        most = ", ".join(f"{name} {size(number)}" for name, number in self.parts.items() if number)
        also = f", of which running jobs will take {size(self.others)}" if self.others else ""
        return (
            f"By estimate it has {size(self.needed)} to write ({most}) and {size(self.free)} are free "
            f"in {self.folder}{also}."
        )


class DiskGuard:
    """Keeps jobs from starting whose results could not be saved."""

    def __init__(
        self,
        store: Store,
        runs: Path,
        estimates: EstimateService,
        free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ):
        self.store, self.runs, self.estimates, self._free = store, runs, estimates, free

    def room(self, spec: JobSpec, run: RunFolder | None = None) -> Room | None:
        """What a resolved spec needs and what there is; None where nothing can be said. `run`: its folder, if
        it has one."""
        parts = self._parts(spec)
        if not parts:
            return None
        folder = _existing(Path(spec.folder) if isinstance(spec, PrepareSpec) and spec.folder else self.runs)
        return Room(
            parts=parts,
            there=_written(run, spec) if run else 0,
            others=sum(self._still_to_write(folder, but=run.id if run else "")),
            free=self._free(folder),
            folder=str(folder),
        )

    def warnings(self, spec: JobSpec) -> list[str]:
        """What to say before a job is submitted."""
        room = self.room(spec)
        return [f"{room.problem} It will not start like that."] if room and room.problem else []

    def refuse(self, run: RunFolder, spec: JobSpec) -> None:
        """Raises: ResourceError with both figures for a job that has no room now."""
        room = self.room(spec, run)
        if room and room.problem:
            raise ResourceError(f"{room.problem} {REMEDIES[spec.kind]}")

    def _parts(self, spec: JobSpec) -> dict[str, int]:
        if isinstance(spec, TrainSpec):
            sizes, values = self.estimates.sizes(spec)
            return of_training(spec, sizes, values) if sizes is not None else {}
        if isinstance(spec, ConvertSpec):
            return self._of_conversion(spec)
        if isinstance(spec, PrepareSpec) and spec.data.path is not None:
            path = Path(spec.data.path)
            return of_preparation(_size(path), path.suffix.lower() in PACKED) if path.is_file() else {}
        return {}

    def _of_conversion(self, spec: ConvertSpec) -> dict[str, int]:
        source = Path(spec.lora_base or spec.source)
        if source.is_file():
            return of_conversion(spec, _size(source), None)
        try:
            view = self.estimates.models.get(str(source)) if source.is_dir() else None
        except ModelError:
            view = None
        return of_conversion(spec, view.size_bytes, view.parameters) if view is not None else {}

    def _still_to_write(self, folder: Path, but: str) -> Iterator[int]:
        """For each other active job on this disk: bytes that it has yet to write."""
        with self.store.read() as conn:
            query = select(jobs.c.id, jobs.c.spec).where(
                jobs.c.state.in_([s.value for s in ACTIVE]), jobs.c.id != but
            )
            rows = conn.execute(query.where(jobs.c.kind.in_(REMEDIES))).all()
        for row in rows:
            run = RunFolder(self.runs / row.id)
            if not run.path.is_dir() or os.stat(run.path).st_dev != os.stat(folder).st_dev:
                continue
            spec = parse_spec(json.loads(row.spec))
            yield max(0, sum(self._parts(spec).values()) - _written(run, spec))


def _existing(path: Path) -> Path:
    """The nearest folder that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _written(run: RunFolder, spec: JobSpec) -> int:
    """What of the estimate lies in the run folder already."""
    if isinstance(spec, TrainSpec):
        return folder_size([run.checkpoints, run.model])
    return folder_size([run.model, *run.path.glob(f".{run.model.name}.partial-*")])


def folder_size(folders: Iterable[Path]) -> int:
    """Bytes of all files below some folders; what goes meanwhile does not count. Links are not followed."""
    return sum(
        _size(Path(top) / name) for root in folders for top, _, files in os.walk(root) for name in files
    )


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
