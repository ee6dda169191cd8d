"""The database again from the run folders, which hold all that matters."""

import json
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from backend.metrics import ingest
from backend.outcome import judge, outcome_fields, read_log, read_result
from backend.queue import queue_columns
from backend.scheduler import count_devices, device_wanted, devices_taken
from backend.store import Store
from backend.store.tables import devices, jobs, levels, metrics, validation_levels
from jobs.executors import Executor
from jobs.protocol.errors import StudioError
from jobs.protocol.folder import RUN_ID, RunFolder, read_facts
from jobs.protocol.states import State
from jobs.specs.load import parse_spec


def rebuild(store: Store, runs: Path, executor: Executor) -> list[str]:
    """Replace all rows by what the folders say; returns the ids, oldest first.

    A job that runs stays running, with its devices; one that had not begun is stopped, not started.
    """
    folders = sorted(runs.iterdir(), key=lambda p: p.name) if runs.is_dir() else []
    with store.read() as conn:
        has_gpus = count_devices(conn, "cuda") > 0
    found = [_read(RunFolder(p), executor, has_gpus) for p in folders if RUN_ID.match(p.name)]
    rows = sorted((row for row in found if row is not None), key=lambda row: row["created_at"])
    leased = {row["id"]: row.pop("leased") for row in rows}
    with store.write() as conn:
        conn.execute(update(devices).values(job_id=None))
        for table in (metrics, levels, validation_levels, jobs):
            conn.execute(delete(table))
        if rows:
            conn.execute(insert(jobs), rows)
        for job_id, names in leased.items():
            _lease(conn, job_id, names)
    for row in rows:
        run = RunFolder(runs / row["id"])
        ingest(store, run)
        _judge_again(store, run, executor)
    return [row["id"] for row in rows]


def _read(run: RunFolder, executor: Executor, has_gpus: bool) -> dict[str, Any] | None:
    """A row from a folder; None for a folder without a spec that can be read."""
    try:
        data = run.spec()
        spec = parse_spec(data)
    except (StudioError, ValueError):
        return None
    last = run.latest_attempt()
    created = run.spec_json.stat().st_mtime
    row = {"id": run.id, "kind": spec.kind, "name": spec.name, "spec": json.dumps(data), "leased": []}
    row |= {"device": device_wanted(spec), "processes": devices_taken(spec, has_gpus), **queue_columns(spec)}
    row |= {
        "attempt": last.number if last else 0,
        "created_at": created,
        "queued_at": created,
        "rank": created,
    }
    row |= {"state": State.STOPPED.value, "reason": "It had not begun.", "started_at": None}
    if last is None:
        return row
    facts = read_facts(last.run_json) or {}
    live = executor.poll(run, last.number)
    row |= {"reason": None, "started_at": facts.get("started_at")}
    row["state"] = State.LOST.value
    if live.ended is None and (live.supervised or live.survivors):
        row |= {"state": State.RUNNING.value, "leased": facts.get("devices", [])}
    return row


def _judge_again(store: Store, run: RunFolder, executor: Executor) -> None:
    """Ended jobs get the ending that the reconciler would have given them."""
    with store.read() as conn:
        row = conn.execute(select(jobs).where(jobs.c.id == run.id)).one()
    if row.state == State.RUNNING or row.attempt == 0:
        return
    live = executor.poll(run, row.attempt)
    error = json.loads(row.error) if row.error else None
    log = read_log(run, row.attempt)
    outcome = judge(row.attempt, live.ended, read_result(run), error, live.same_boot, log)
    fields = outcome_fields(outcome, live.ended or {"ended_at": _last_sign(run)})
    with store.write() as conn:
        conn.execute(update(jobs).where(jobs.c.id == run.id).values(state=outcome.state.value, **fields))


def _last_sign(run: RunFolder) -> float:
    """When the run was last heard of: its events, or its supervisor's heartbeat."""
    attempt = run.latest_attempt()
    paths = [run.events, *([attempt.run_json, attempt.log] if attempt else [])]
    return max((p.stat().st_mtime for p in paths if p.exists()), default=time.time())


def _lease(conn: Connection, job_id: str, names: list[str]) -> None:
    if names:
        conn.execute(update(devices).where(devices.c.id.in_(names)).values(job_id=job_id))
