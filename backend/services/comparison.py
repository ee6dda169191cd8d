"""Jobs side by side: in what their specs differ, and what came of each."""

import json
from collections.abc import Mapping, Sequence
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
    metrics: list[str]
    """What is measured of any of them, the losses first."""
    rows: list[Compared]


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
    """The jobs with these ids, in this order; ids that are not there are left out."""
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
    return Comparison(fields=fields, metrics=[*dict.fromkeys([*first, *measured])], rows=compared)


def _results(row: Any, best: Mapping[tuple[str, str], float]) -> dict[str, float]:
    found = json.loads(row.latest)
    found |= {f"best_{name}": best[row.id, name] for name in BEST if (row.id, name) in best}
    if row.started_at and row.ended_at:
        found["seconds"] = round(row.ended_at - row.started_at, 3)
    return found
