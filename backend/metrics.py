"""From events.jsonl into the database, once, by byte offset. backend/curves.py reads it again."""

import json
import math
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert

from backend import curves
from backend.store import Store
from backend.store.tables import jobs, metrics
from jobs.protocol.events import read_events
from jobs.protocol.folder import RunFolder

BATCH_BYTES = 1_000_000


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
                _put_points(conn, run.id, batch.points)
                curves.fold(conn, run.id, list(batch.latest), [step for _, step in batch.points])
            for kind, found in batch.levels.items():
                put = insert(curves.LEVELS[kind])
                put = put.on_conflict_do_update(
                    index_elements=["job_id", "step"],
                    set_={"loss": put.excluded.loss, "count": put.excluded.count},
                )
                conn.execute(put, [{"job_id": run.id, **level} for level in found.values()])
        moved = True


def _put_points(conn: Connection, job_id: str, points: dict[tuple[str, int], float]) -> None:
    """The newest value of a metric at a step counts."""
    rows = [
        {"job_id": job_id, "name": name, "step": step, "value": value}
        for (name, step), value in points.items()
    ]
    put = insert(metrics)
    conn.execute(
        put.on_conflict_do_update(
            index_elements=["job_id", "name", "step"], set_={"value": put.excluded.value}
        ),
        rows,
    )


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
        elif kind in curves.LEVELS:
            step = int(_number(event.get("step")) or 0)
            loss, count = json.dumps(event.get("loss")), json.dumps(event.get("count"))
            self.levels.setdefault(kind, {})[step] = {"step": step, "loss": loss, "count": count}
        elif kind == "error":
            self.fields["error"] = json.dumps(event)


def _number(value: Any) -> float | int | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) else None


def _grown(run: RunFolder, offset: int) -> bool:
    try:
        return run.events.stat().st_size > offset
    except OSError:
        return False
