"""From events.jsonl into the database, once, by byte offset; and out again in few points."""

import json
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.sqlite import insert

from backend.store import Store
from backend.store.tables import jobs, levels, metrics, validation_levels
from jobs.protocol.events import read_events
from jobs.protocol.folder import RunFolder

BATCH_BYTES = 1_000_000
LEVELS = {"levels": levels, "validation_levels": validation_levels}  # event -> where its losses go


def ingest(store: Store, run: RunFolder) -> bool:
    """Take in the events that were appended since the last time; True if there were any.

    Rows and cursor move in one transaction guarded by the old cursor: after a crash, or with two readers,
    every event still counts once.
    """
    moved = False
    while True:
        with store.read() as conn:
            row = conn.execute(select(jobs).where(jobs.c.id == run.id)).one_or_none()
        if row is None or not _grown(run, row.events_offset):
            return moved
        events = list(read_events(run.events, row.events_offset, BATCH_BYTES))
        if not events:
            return moved
        batch = _Batch(json.loads(row.latest))
        for _, event in events:
            batch.add(event)
        fields = {"events_offset": events[-1][0], "latest": json.dumps(batch.latest), **batch.fields}
        with store.write() as conn:
            guard = (jobs.c.id == run.id) & (jobs.c.events_offset == row.events_offset)
            if conn.execute(update(jobs).where(guard).values(**fields)).rowcount != 1:
                continue  # somebody else has taken these
            if batch.points:
                rows: list[dict[str, Any]] = [
                    {"job_id": run.id, "name": name, "step": step, "value": value}
                    for (name, step), value in batch.points.items()
                ]
                put = insert(metrics)
                put = put.on_conflict_do_update(
                    index_elements=["job_id", "name", "step"], set_={"value": put.excluded.value}
                )
                conn.execute(put, rows)
            for kind, found in batch.levels.items():
                put = insert(LEVELS[kind])
                put = put.on_conflict_do_update(
                    index_elements=["job_id", "step"],
                    set_={"loss": put.excluded.loss, "count": put.excluded.count},
                )
                conn.execute(put, [{"job_id": run.id, **level} for level in found.values()])
        moved = True


class _Batch:
    """What a run of events comes to."""

    def __init__(self, latest: dict[str, float]):
        self.latest = latest
        self.fields: dict[str, Any] = {}
        self.points: dict[tuple[str, int], float] = {}
        self.levels: dict[str, dict[int, dict[str, Any]]] = {}  # event -> step -> what it says

    def add(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind == "progress":
            self.fields |= {name: _number(event.get(name)) for name in ("step", "total", "seconds_left")}
        elif kind == "phase":
            self.fields["phase"] = str(event.get("text") or "")
        elif kind == "metrics":
            step = int(_number(event.get("step")) or 0)
            values = event.get("values")
            for name, value in (values if isinstance(values, dict) else {}).items():
                if (number := _number(value)) is not None:
                    self.latest[name] = number
                    self.points[name, step] = number
        elif kind in LEVELS:
            step = int(_number(event.get("step")) or 0)
            loss, count = json.dumps(event.get("loss")), json.dumps(event.get("count"))
            self.levels.setdefault(kind, {})[step] = {"step": step, "loss": loss, "count": count}
        elif kind == "error":
            self.fields["error"] = json.dumps(event)


def _number(value: Any) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _grown(run: RunFolder, offset: int) -> bool:
    try:
        return run.events.stat().st_size > offset
    except OSError:
        return False


def read_metrics(
    store: Store, job_id: str, names: list[str] | None = None, max_points: int = 500
) -> dict[str, list[list[float]]]:
    """{name: [[step, value], ...]} in order of steps, at most about `max_points` each.

    Longer curves are cut into equal stretches of steps, of which the lowest and the highest point are kept:
    peaks stay visible.
    """
    mine = metrics.c.job_id == job_id
    with store.read() as conn:
        spans = select(metrics.c.name, func.count(), func.min(metrics.c.step), func.max(metrics.c.step))
        curves = {}
        for name, count, first, last in conn.execute(spans.where(mine).group_by(metrics.c.name)).all():
            if names is not None and name not in names:
                continue
            here = mine & (metrics.c.name == name)
            if count <= max_points:
                points = select(metrics.c.step, metrics.c.value).where(here).order_by(metrics.c.step)
                curves[name] = [list(point) for point in conn.execute(points)]
                continue
            buckets = max(1, max_points // 2)
            bucket = (metrics.c.step - first) * buckets // (last - first + 1)
            kept: set[tuple[int, float]] = set()
            for extreme in (func.min, func.max):  # SQLite gives the step of the row that holds the extreme
                points = select(metrics.c.step, extreme(metrics.c.value)).where(here).group_by(bucket)
                kept |= {(step, value) for step, value in conn.execute(points)}
            curves[name] = [[step, value] for step, value in sorted(kept)]
        return curves


def read_levels(store: Store, job_id: str, kind: str = "levels") -> list[dict[str, Any]]:
    """Loss by noise level over time, of a kind of LEVELS: [{step, loss: [8], count: [8]}, ...]."""
    table = LEVELS[kind]
    with store.read() as conn:
        rows = conn.execute(select(table).where(table.c.job_id == job_id).order_by(table.c.step)).all()
    return [
        {"step": r.step, "loss": json.loads(r.loss), "count": json.loads(r._mapping["count"])} for r in rows
    ]
