"""Old runs cleared away, by age or by size: only what has ended, and only folders that the studio made."""

import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from backend.remarks import KEEP
from backend.services import prepared
from backend.services.disk import folder_size
from backend.services.jobs import JobService
from backend.services.lineage import checkpoint_sources, paths, sources
from backend.store.tables import jobs as job_rows
from jobs.protocol.errors import JobError, StudioError
from jobs.protocol.folder import RUN_ID, RunFolder
from jobs.protocol.states import TERMINAL, State

LEAVE_NOTHING = ("serve", "inspect")  # once they have ended, nobody asks what they came from
TAGGED = f"It has the tag {KEEP}."
LEFT_OVER = re.compile(r"^\.deleted-[a-z]+-\d{4,}-[0-9a-f]{8}$")


class Wish(BaseModel):
    """What to clear away. With neither age nor sizes only what is left over from earlier deletions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    older_than: float | None = Field(default=None, ge=0)
    """Runs that ended so many seconds ago."""
    keep_bytes: int | None = Field(default=None, ge=0)
    """The oldest runs, until the others are no more than this."""
    checkpoints_only: bool = False
    """Of runs that succeeded their checkpoints, and nothing else: their models, curves and logs stay."""
    prepared_bytes: int | None = Field(default=None, ge=0)
    """The longest unused prepared data, until the rest is no more than this."""
    sources: bool = False
    """Also runs that others were made from."""


class Item(BaseModel):
    """Something that would go."""

    model_config = ConfigDict(frozen=True)

    what: Literal["run", "checkpoints", "left over", "prepared data"]
    name: str
    """The run's id, or the folder's name."""
    path: str
    size_bytes: int
    ended_at: float
    note: str = ""
    """What follows from it."""


class Kept(BaseModel):
    """A run that the wish would reach and that stays all the same."""

    model_config = ConfigDict(frozen=True)

    name: str
    why: str


class Plan(BaseModel):
    """What goes, the oldest first, and what stays for a reason."""

    items: list[Item]
    kept: list[Kept]

    @property
    def size_bytes(self) -> int:
        """What would be free again."""
        return sum(item.size_bytes for item in self.items)


class CleanupService:
    """Plans and carries out. The plan is made anew each time: nothing is deleted by an old one."""

    def __init__(self, jobs: JobService, prepared_root: Path, now: Callable[[], float] = time.time):
        self.jobs, self.store, self.runs = jobs, jobs.store, jobs.runs
        self.prepared, self._now = prepared_root, now

    def plan(self, wish: Wish) -> Plan:
        """What `carry_out` would delete now. Changes nothing."""
        with self.store.read() as conn:
            query = select(job_rows).order_by(job_rows.c.ended_at, job_rows.c.id)
            rows = {row.id: row for row in conn.execute(query)}
        ended = {name: row for name, row in rows.items() if row.state in TERMINAL}
        specs = {name: json.loads(row.spec) for name, row in rows.items()}
        users: dict[str, list[str]] = {}
        sources_of = checkpoint_sources if wish.checkpoints_only else sources
        for name, row in rows.items():
            if name in ended and row.kind in LEAVE_NOTHING:
                continue
            for source in sources_of(row.kind, specs[name], self.runs):
                users.setdefault(source, []).append(name)
        chosen, kept = self._choose(wish, ended, users)
        left = {name: spec for name, spec in specs.items() if name not in {item.name for item in chosen}}
        needed = paths(spec for name, spec in specs.items() if name not in ended)
        items = [*self._left_over(ended), *chosen, *self._prepared(wish, paths(left.values()), needed)]
        return Plan(items=items, kept=kept)

    def carry_out(self, wish: Wish, only: list[str] | None = None) -> Plan:
        """Delete what the plan says; of it only the names in `only`, where given.

        Returns what went; what could not go is among `kept`, with the reason.
        """
        plan = self.plan(wish)
        gone: list[Item] = []
        for item in plan.items:
            if only is not None and item.name not in only:
                continue
            try:
                self._delete(item)
                gone.append(item)
            except (StudioError, OSError) as error:
                plan.kept.append(Kept(name=item.name, why=str(error)))
        return Plan(items=gone, kept=plan.kept)

    # --- choosing ----

    def _choose(
        self, wish: Wish, rows: dict[str, Any], users: dict[str, list[str]]
    ) -> tuple[list[Item], list[Kept]]:
        if wish.older_than is None and wish.keep_bytes is None:
            return [], []
        sizes = {name: folder_size([self.runs / name]) for name in rows}
        kept: dict[str, str] = {}
        while True:  # what must stay leaves more to be found among the younger ones
            items = self._reached(wish, rows, sizes, kept)
            going = {item.name for item in items if item.what == "run"}
            came = {i.name: [user for user in users.get(i.name, ()) if user not in going] for i in items}
            held = {name: others for name, others in came.items() if others}
            stay = {name: why for name, others in held.items() if (why := _why_held(wish, others, rows))}
            if not stay:
                break
            kept |= stay
        noted = [item.model_copy(update={"note": _came_from(held.get(item.name, []))}) for item in items]
        return noted, [Kept(name=name, why=why) for name, why in kept.items()]

    def _reached(
        self, wish: Wish, rows: dict[str, Any], sizes: dict[str, int], kept: dict[str, str]
    ) -> list[Item]:
        """What the wish reaches beside what is kept, the oldest first; adds to `kept` what must stay."""
        too_much = sum(sizes.values()) - wish.keep_bytes if wish.keep_bytes is not None else 0
        found = []
        for name, row in rows.items():
            old = wish.older_than is not None and _end(row) <= self._now() - wish.older_than
            if name in kept or not (old or too_much > 0):
                continue
            if why := self._must_stay(wish, row):
                kept[name] = why
                continue
            item = self._item(wish, row, sizes[name])
            if item.size_bytes or item.what == "run":
                found.append(item)
                too_much -= item.size_bytes
        return found

    def _must_stay(self, wish: Wish, row: Any) -> str:
        """Why a run stays whoever came from it; empty if it need not."""
        if not made_by_us(self.runs / row.id):
            return f"{self.runs / row.id} does not look like a folder that the studio made."
        if KEEP in json.loads(row.tags):
            return TAGGED
        if wish.checkpoints_only and row.state != State.SUCCEEDED:
            return f"It is {row.state} and could be resumed from its checkpoints."
        return ""

    def _item(self, wish: Wish, row: Any, size: int) -> Item:
        path = self.runs / row.id
        if not wish.checkpoints_only:
            return Item(what="run", name=row.id, path=str(path), size_bytes=size, ended_at=_end(row))
        path = RunFolder(path).checkpoints
        size = folder_size([path])
        return Item(what="checkpoints", name=row.id, path=str(path), size_bytes=size, ended_at=_end(row))

    def _left_over(self, ended: dict[str, Any]) -> Iterator[Item]:
        """Folders whose deletion was cut short, and halves of models in runs that have ended."""
        yield from map(self._left, deleted_runs(self.runs))
        for name in ended:
            run = RunFolder(self.runs / name)
            if made_by_us(self.runs / name):
                yield from (
                    self._left(path) for path in sorted(run.path.glob(f".{run.model.name}.partial-*"))
                )

    def _left(self, path: Path) -> Item:
        size, ended = folder_size([path]), path.lstat().st_mtime
        return Item(what="left over", name=path.name, path=str(path), size_bytes=size, ended_at=ended)

    def _prepared(self, wish: Wish, used: set[Path], needed: set[Path]) -> Iterator[Item]:
        """Prepared data by age where no remaining run read it, and by size; it can be made again. Never what
        is `needed`, by jobs that have yet to end."""
        found = prepared.preparations(self.prepared)
        too_much = -1
        if wish.prepared_bytes is not None:
            too_much = sum(one.size_bytes for one in found) - wish.prepared_bytes
        for one in found:
            if one.path in needed:
                continue
            old = wish.older_than is not None and one.last_used <= self._now() - wish.older_than
            if too_much > 0 or (old and not wish.checkpoints_only and one.path not in used):
                too_much -= one.size_bytes
                note = "A run read it." if one.path in used else ""
                facts = {"name": one.path.name, "path": str(one.path), "size_bytes": one.size_bytes}
                yield Item(what="prepared data", **facts, ended_at=one.last_used, note=note)

    # --- deleting ----

    def _delete(self, item: Item) -> None:
        """Raises: StudioError, OSError."""
        if item.what in ("run", "checkpoints") and KEEP in self.jobs.get(item.name).tags:
            raise JobError(TAGGED)  # since the plan was made: deletions take their time
        if item.what == "run":
            self.jobs.delete(item.name)
        elif item.what == "checkpoints":
            self._delete_checkpoints(item)
        elif item.what == "prepared data":
            prepared.delete(Path(item.path))
        else:
            shutil.rmtree(item.path)

    def _delete_checkpoints(self, item: Item) -> None:
        aside = self.runs / f".deleted-{item.name}-{uuid.uuid4().hex[:8]}"
        with self.store.write() as conn:  # nobody takes the job up again meanwhile
            query = select(job_rows.c.state).where(job_rows.c.id == item.name)
            if conn.execute(query).scalar_one_or_none() != State.SUCCEEDED:
                raise JobError(f"{item.name} has been taken up again.")
            os.rename(item.path, aside)
        shutil.rmtree(aside, ignore_errors=True)


def _end(row: Any) -> float:
    return row.ended_at or row.created_at


def _why_held(wish: Wish, users: list[str], ended: dict[str, Any]) -> str:
    """Why a run stays from which others came; empty where the wish says that it goes."""
    if waiting := [user for user in users if user not in ended]:
        return f"Jobs that have yet to end need it: {', '.join(waiting)}."
    return "" if wish.sources else f"{_came_from(users)} It goes only if you say so."


def _came_from(users: list[str]) -> str:
    return f"{', '.join(users)} came from it." if users else ""


def deleted_runs(runs: Path) -> list[Path]:
    """Folders of runs whose deletion was cut short."""
    return [path for path in sorted(runs.glob(".deleted-*")) if LEFT_OVER.match(path.name) and _is_ours(path)]


def made_by_us(path: Path) -> bool:
    """Whether a folder bears the marks of a run: its name, its spec, its owner; and is no link."""
    spec = RunFolder(path).spec_json if _is_ours(path) and RUN_ID.match(path.name) else None
    return spec is not None and spec.is_file() and not spec.is_symlink()


def _is_ours(path: Path) -> bool:
    """A folder of ours, not a link to one."""
    try:
        return path.is_dir() and not path.is_symlink() and path.lstat().st_uid == os.geteuid()
    except OSError:
        return False
