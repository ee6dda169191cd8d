"""A run's curves in few points, however long they are.

Every point lies in `metrics`. Of each whole stretch of steps the lowest and the highest point also lie in
`stretches`, so that an overview of a million points reads some thousands.
"""

import json
from typing import Any

from sqlalchemy import Connection, Table, func, select, update
from sqlalchemy.dialects.sqlite import insert

from backend.store import Store
from backend.store.tables import jobs, levels, metrics, stretches, validation_levels

STRETCH = 128  # steps
DIRECT = 128 * STRETCH  # a view of so few steps is read point by point
LEVELS = {"levels": levels, "validation_levels": validation_levels}  # event -> where its losses go
MOST_LEVELS = 400

Point = tuple[int, float]


def fold(conn: Connection, job_id: str, names: list[str], steps: list[int]) -> None:
    """Sum up the stretches that new points at `steps` closed, or changed; `names` are all metrics of the job.

    The stretch that is still growing is left to its points.
    """
    whole = conn.execute(select(jobs.c.folded).where(jobs.c.id == job_id)).scalar_one()
    start, growing = min(min(steps) // STRETCH, whole), max(steps) // STRETCH
    end = max(growing, min(growing + 1, whole))  # a resumed run repeats steps of stretches that were whole
    if start >= end:
        return
    here = (metrics.c.job_id == job_id) & metrics.c.name.in_(names)
    here &= (metrics.c.step >= start * STRETCH) & (metrics.c.step < end * STRETCH)
    number = (metrics.c.step // STRETCH).label("number")
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for side, extreme in (("low", func.min), ("high", func.max)):
        # SQLite gives the step of the row that holds the extreme
        query = select(metrics.c.name, number, metrics.c.step, extreme(metrics.c.value), func.count())
        for name, at, step, value, count in conn.execute(query.where(here).group_by("name", "number")):
            row = rows.setdefault((name, at), {"job_id": job_id, "name": name, "number": at, "points": count})
            row |= {f"{side}_step": step, side: value}
    if rows:
        put = insert(stretches)
        values = ("points", "low_step", "low", "high_step", "high")
        put = put.on_conflict_do_update(
            index_elements=["job_id", "name", "number"], set_={key: put.excluded[key] for key in values}
        )
        conn.execute(put, list(rows.values()))
    conn.execute(update(jobs).where(jobs.c.id == job_id).values(folded=max(whole, end)))


def read_metrics(
    store: Store,
    job_id: str,
    names: list[str] | None = None,
    max_points: int = 500,
    first: int | None = None,
    last: int | None = None,
) -> dict[str, list[list[float]]]:
    """{name: [[step, value], ...]} in order of steps, at most about `max_points` each; of the steps from
    `first` to `last` where they are given.

    Longer curves are cut into equal parts, of which the lowest and the highest point are kept: peaks stay
    visible.
    """
    with store.read() as conn:
        row = conn.execute(select(jobs.c.latest, jobs.c.folded).where(jobs.c.id == job_id)).one_or_none()
        if row is None:
            return {}
        wanted = [name for name in json.loads(row.latest) if names is None or name in names]
        curves = {
            name: _Curve(conn, job_id, name, row.folded).read(max_points, first, last) for name in wanted
        }
    return {name: [list(point) for point in points] for name, points in curves.items() if points}


class _Curve:
    """One metric of one run."""

    def __init__(self, conn: Connection, job_id: str, name: str, folded: int):
        self.conn, self.folded = conn, folded
        self.points = (metrics.c.job_id == job_id) & (metrics.c.name == name)
        self.stretches = (stretches.c.job_id == job_id) & (stretches.c.name == name)

    def read(self, max_points: int, first: int | None, last: int | None) -> list[Point]:
        """Points between two steps, thinned to about `max_points`."""
        ends = self._ends()
        if ends is None:
            return []
        start = ends[0] if first is None else max(first, ends[0])
        stop = (ends[1] if last is None else min(last, ends[1])) + 1
        if start >= stop:
            return []
        ranges = self._ranges(start, stop)
        if sum(self._count(*part) for part in ranges) <= max_points:
            return self._all(start, stop)
        parts = max(1, max_points // 2)
        kept: dict[int, tuple[Point, Point]] = {}
        for table, begin, end in ranges:
            for part, low, high in self._extremes(table, begin, end, start, stop, parts):
                before = kept.get(part)
                kept[part] = (
                    (low, high)
                    if before is None
                    else (min(before[0], low, key=_value), max(before[1], high, key=_value))
                )
        return sorted({point for pair in kept.values() for point in pair})

    def _ends(self) -> tuple[int, int] | None:
        """The first and the last step; two looks into the index."""
        step = metrics.c.step
        query = select(step).where(self.points).limit(1)
        low = self.conn.execute(query.order_by(step)).scalar_one_or_none()
        high = self.conn.execute(query.order_by(step.desc())).scalar_one_or_none()
        return None if low is None or high is None else (low, high)

    def _ranges(self, start: int, stop: int) -> list[tuple[Table, int, int]]:
        """Where to read [start, stop): points at the edges, stretches between them."""
        begin, end = -(-start // STRETCH), min(stop // STRETCH, self.folded)
        if stop - start <= DIRECT or begin >= end:
            return [(metrics, start, stop)]
        found = [(metrics, start, begin * STRETCH), (stretches, begin, end), (metrics, end * STRETCH, stop)]
        return [(table, low, high) for table, low, high in found if low < high]

    def _within(self, table: Table, begin: int, end: int) -> Any:
        if table is metrics:
            return self.points & (metrics.c.step >= begin) & (metrics.c.step < end)
        return self.stretches & (stretches.c.number >= begin) & (stretches.c.number < end)

    def _count(self, table: Table, begin: int, end: int) -> int:
        counted = func.count() if table is metrics else func.coalesce(func.sum(stretches.c.points), 0)
        return self.conn.execute(select(counted).where(self._within(table, begin, end))).scalar_one()

    def _all(self, start: int, stop: int) -> list[Point]:
        query = select(metrics.c.step, metrics.c.value).where(self._within(metrics, start, stop))
        return [(step, value) for step, value in self.conn.execute(query.order_by(metrics.c.step))]

    def _extremes(
        self, table: Table, begin: int, end: int, start: int, stop: int, parts: int
    ) -> list[tuple[int, Point, Point]]:
        """(part, lowest point, highest point) of [start, stop) cut into `parts`."""
        points = table is metrics
        low_step, low = (
            (metrics.c.step, metrics.c.value) if points else (stretches.c.low_step, stretches.c.low)
        )
        high_step, high = (
            (metrics.c.step, metrics.c.value) if points else (stretches.c.high_step, stretches.c.high)
        )
        at = metrics.c.step if points else stretches.c.number * STRETCH
        part = ((at - start) * parts // (stop - start)).label("part")
        within = self._within(table, begin, end)
        lows = self.conn.execute(select(part, low_step, func.min(low)).where(within).group_by("part"))
        highs = self.conn.execute(select(part, high_step, func.max(high)).where(within).group_by("part"))
        highest = {number: (step, value) for number, step, value in highs}
        return [(number, (step, value), highest[number]) for number, step, value in lows]


def _value(point: Point) -> float:
    return point[1]


def read_levels(store: Store, job_id: str, kind: str = "levels") -> list[dict[str, Any]]:
    """Loss by noise level over time, of a kind of LEVELS: [{step, loss: [8], count: [8]}, ...]; of many, some
    hundreds and the last."""
    table = LEVELS[kind]
    step, mine = table.c.step, table.c.job_id == job_id
    with store.read() as conn:
        count, first, last = conn.execute(
            select(func.count(), func.min(step), func.max(step)).where(mine)
        ).one()
        query = select(step, table.c.loss, table.c.count).where(mine).order_by(step)
        if count > MOST_LEVELS:
            part = (step - first) * MOST_LEVELS // (last - first + 1)
            query = query.where(step.in_(select(func.max(step)).where(mine).group_by(part)))
        rows = conn.execute(query).all()
    return [{"step": at, "loss": json.loads(loss), "count": json.loads(many)} for at, loss, many in rows]
