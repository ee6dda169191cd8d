"""Jobs side by side: in what their specs differ, and what came of each."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select

from backend.store import Store
from backend.store.tables import jobs, metrics

BEST = ("loss", "validation_loss")  # metrics whose smallest value is told too
SAID_ELSEWHERE = ("name", "queue", "version")


class Compared(BaseModel):
    """One job among others."""

    model_config = ConfigDict(frozen=True)

    job: str
    name: str
    kind: str
    place: str
    state: str
    settings: dict[str, Any]
    """Its value of every field in which the jobs differ."""
    results: dict[str, float]
    """The newest value of each metric, `best_loss` and `best_validation_loss`, `seconds` that it took."""


class Comparison(BaseModel):
    """Several jobs as a table."""

    model_config = ConfigDict(frozen=True)

    fields: list[str]
    """Fields of the specs that are not the same in all jobs, such as optimisation.learning_rate."""
    same: dict[str, Any]
    """The other fields and their value, which is that of all jobs."""
    metrics: list[str]
    """What is measured of any of them, the losses first."""
    curves: list[str]
    """Those of the metrics that are measured again and again: of most jobs first."""
    rows: list[Compared]
    gone: list[str] = []
    """Ids that were asked for and are not there."""


def differences(specs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The fields, as `a.b.c`, whose values are not the same in all specs. Names and places do not count."""
    flat = [flattened(spec) for spec in specs]
    fields = dict.fromkeys(field for values in flat for field in values)
    return [field for field in fields if any(values.get(field) != flat[0].get(field) for values in flat)]


def flattened(spec: Mapping[str, Any]) -> dict[str, Any]:
    """{"optimisation.steps": 100, ...} of a spec as nested dicts."""
    found: dict[str, Any] = {}

    def walk(values: Mapping[str, Any], path: str) -> None:
        for key, value in values.items():
            if isinstance(value, dict) and value:
                walk(value, f"{path}{key}.")
            else:
                found[path + key] = value

    walk({key: value for key, value in spec.items() if key not in SAID_ELSEWHERE}, "")
    return found


def compare(store: Store, ids: Sequence[str]) -> Comparison:
    """The jobs with these ids, in this order."""
    ids = [*dict.fromkeys(ids)]
    with store.read() as conn:
        found = {row.id: row for row in conn.execute(select(jobs).where(jobs.c.id.in_(ids)))}
        query = (
            select(metrics.c.job_id, metrics.c.name, func.min(metrics.c.value))
            .where(metrics.c.job_id.in_(ids), metrics.c.name.in_(BEST))
            .group_by(metrics.c.job_id, metrics.c.name)
        )
        best = {(job, name): value for job, name, value in conn.execute(query)}
    rows = [found[job_id] for job_id in ids if job_id in found]
    specs = [json.loads(row.spec) for row in rows]
    fields = differences(specs)
    flat = [flattened(spec) for spec in specs]
    compared = [
        Compared(
            job=row.id,
            name=row.name,
            kind=row.kind,
            place=row.place,
            state=row.state,
            settings={field: values.get(field) for field in fields},
            results=_results(row, best),
        )
        for row, values in zip(rows, flat, strict=True)
    ]
    measured = dict.fromkeys(name for row in compared for name in row.results)
    first = [
        name for name in ("validation_loss", "best_validation_loss", "loss", "best_loss") if name in measured
    ]
    return Comparison(
        fields=fields,
        same={name: value for name, value in (flat[0] if flat else {}).items() if name not in fields},
        metrics=[*dict.fromkeys([*first, *measured])],
        curves=_curves(rows),
        rows=compared,
        gone=[job_id for job_id in ids if job_id not in found],
    )


def members(store: Store, group: str) -> list[str]:
    """The ids of a group's jobs, as they were submitted."""
    with store.read() as conn:
        found = conn.execute(select(jobs.c.id).where(jobs.c.group == group, jobs.c.group != "")).all()
        return [row.id for row in in_order(found)]


def in_order(rows: Iterable[Any]) -> list[Any]:
    """Rows of a group's jobs as they were submitted: by the numbers in their ids."""
    return sorted(rows, key=lambda row: int(row.id.rpartition("-")[2]))


def _curves(rows: Sequence[Any]) -> list[str]:
    counts = Counter(name for row in rows for name in json.loads(row.latest))
    return [name for name, _ in counts.most_common()]  # equal counts stay in the order of the first job


def _results(row: Any, best: Mapping[tuple[str, str], float]) -> dict[str, float]:
    found = json.loads(row.latest)
    found |= {f"best_{name}": best[row.id, name] for name in BEST if (row.id, name) in best}
    if row.started_at and row.ended_at:
        found["seconds"] = round(row.ended_at - row.started_at, 3)
    return found
