"""The database again from the run folders, which hold all that matters."""

import json
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select, update

from backend.listed import listed_columns
from backend.metrics import ingest
from backend.queue import queue_columns
from backend.queue_note import read_note
from backend.reconciler import Reconciler
from backend.remarks import columns, read_remarks
from backend.scheduler import count_devices, device_wanted, devices_taken
from backend.store import FRESH, Store
from backend.store.tables import devices, jobs, levels, metrics, stretches, validation_levels
from jobs.executors import Executor
from jobs.protocol.errors import StudioError
from jobs.protocol.folder import RUN_ID, RunFolder, read_facts
from jobs.protocol.states import TERMINAL, State
from jobs.specs.load import parse_spec

OF_A_TRY = {"attempt", "state", *FRESH} - {"not_before"}  # of a note, that count if it is the newest word

EXPORTED = "It went to SkyPilot and has not come back: bring its folder here, then rebuild."


def rebuild(store: Store, runs: Path, executor: Executor, only_if_empty: bool = False) -> list[str]:
    """Replace all rows by what the folders say; returns the ids, oldest first.

    What waits goes on waiting, in its order. A job that runs stays running, with its devices. The end of one
    that ended meanwhile is judged as ever, and followed by another try if its rules say so. With
    `only_if_empty` nothing is done, and nothing returned, if there are rows already.
    """
    folders = [RunFolder(p) for p in runs.iterdir() if RUN_ID.match(p.name)] if runs.is_dir() else []
    with store.read() as conn:
        has_gpus = count_devices(conn, "cuda") > 0
    found = [_read(run, executor, has_gpus) for run in folders]
    rows = sorted((row for row in found if row is not None), key=lambda row: (row["created_at"], row["id"]))
    leased = {row["id"]: row.pop("leased") for row in rows}
    _each_request_once(rows)
    with store.write() as conn:
        if only_if_empty and conn.execute(select(jobs.c.id).limit(1)).first() is not None:
            return []
        conn.execute(update(devices).values(job_id=None))
        for table in (metrics, stretches, levels, validation_levels, jobs):
            conn.execute(delete(table))
        if rows:
            conn.execute(insert(jobs), rows)
        for job_id, names in leased.items():
            if names:
                conn.execute(update(devices).where(devices.c.id.in_(names)).values(job_id=job_id))
    for row in rows:
        ingest(store, RunFolder(runs / row["id"]))
    Reconciler(store, runs, executor).tick()
    return [row["id"] for row in rows]


def _read(run: RunFolder, executor: Executor, has_gpus: bool) -> dict[str, Any] | None:
    """A row from a folder; None for a folder without a spec that can be read."""
    try:
        data = run.spec()
        spec = parse_spec(data)
    except (StudioError, ValueError):
        return None
    note, last = read_note(run), run.latest_attempt()
    created = run.spec_json.stat().st_mtime
    row: dict[str, Any] = {"id": run.id, "kind": spec.kind, "name": spec.name, "spec": json.dumps(data)}
    row |= {"device": device_wanted(spec), "processes": devices_taken(spec, has_gpus), **queue_columns(spec)}
    row |= listed_columns(data)
    row |= {"created_at": created, "queued_at": created, "rank": created, "request_id": None, **FRESH}
    row |= {"retried": 0, "recovered": 0, "started_at": None, "ran_on": "[]", "leased": []}
    row |= columns(read_remarks(run))
    row |= {name: value for name, value in note.items() if name not in OF_A_TRY}
    row["attempt"] = max(last.number if last else 0, note.get("attempt", 0))
    if row["attempt"] == 0 and not note:  # older than notes, or its submission was cut off
        return row | {"state": State.STOPPED.value, "reason": "It had not begun.", "ended_at": created}
    if last is not None:
        facts = {**(read_facts(last.run_json) or {}), **(read_facts(last.exit_json) or {})}
        row |= {"started_at": facts.get("started_at"), "ran_on": json.dumps(facts.get("devices", []))}
        if facts.get("executor") == "skypilot" and "ended_at" not in facts:
            return row | {"state": State.STOPPED.value, "reason": EXPORTED, "ended_at": created}
    if note.get("attempt") == row["attempt"] and note["state"] in (State.QUEUED, *TERMINAL):
        return row | {name: note[name] for name in OF_A_TRY if name in note}
    return row | _under_way(run, row["attempt"], note, executor)


def _under_way(run: RunFolder, attempt: int, note: dict[str, Any], executor: Executor) -> dict[str, Any]:
    """The columns of a try whose end nobody has written down yet; the reconciler then looks at it."""
    facts = read_facts(run.attempt(attempt).run_json) or {}
    live = executor.poll(run, attempt)
    alive = live.ended is None and (live.supervised or live.needs_guardian)
    begun = facts.get("anchor") or facts.get("child") or (not facts and run.attempt(attempt).log.exists())
    state, reason = (State.RUNNING if begun else State.STARTING), None
    if note.get("attempt") == attempt and note["state"] == State.STOPPING:
        state, reason = State.STOPPING, note.get("stop_reason")
    return {
        "state": state.value,
        "stop_reason": reason,
        "not_before": None,
        "leased": facts.get("devices", []) if alive else [],
    }


def _each_request_once(rows: list[dict[str, Any]]) -> None:
    """A folder that was copied by hand has its original's request in its note."""
    seen: set[str] = set()
    for row in rows:
        if row["request_id"] in seen:
            row["request_id"] = None
        elif row["request_id"] is not None:
            seen.add(row["request_id"])
