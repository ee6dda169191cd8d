"""What a queued job waits for, in a sentence."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from backend.queue import earlier_states, unfinished, words_of
from backend.scheduler import count_devices

NAMED = 3  # jobs named before "and 4 more"


@dataclass(frozen=True)
class Circumstances:
    """What is so now for all queued jobs."""

    states: dict[str, str]  # of the jobs that others come after
    leased: dict[str, list[str]]  # job -> its devices
    has_gpus: bool
    scheduled: bool  # whether any process schedules
    now: float


def circumstances(
    conn: Connection, rows: list[Any], leased: dict[str, list[str]], scheduled: bool, now: float
) -> Circumstances:
    """For the queued jobs in `rows`."""
    return Circumstances(earlier_states(conn, rows), leased, count_devices(conn, "cuda") > 0, scheduled, now)


def waiting(row: Any, there: Circumstances) -> str:
    """The first thing that keeps a queued job from starting."""
    if row.held:
        return "Held, until it is released."
    if earlier := unfinished(row, there.states):
        return _end_of(earlier, there.states)
    if row.not_before is not None and row.not_before > there.now:
        return _next_try(row, there.now)
    if not there.scheduled:
        return "No server is running to start it: start one with `studio launch`."
    return _devices(row, there)


def _end_of(ids: list[str], states: dict[str, str]) -> str:
    named = [f"{i} ({states[i]})" for i in ids[:NAMED]]
    if len(ids) > NAMED:
        earlier, more = ", ".join(named), len(ids) - NAMED
        return f"Waits for the end of {earlier} and {more} more."
    *others, last = named
    earlier = ", ".join(others)
    return f"Waits for the end of {earlier} and {last}." if earlier else f"Waits for the end of {last}."


def _next_try(row: Any, now: float) -> str:
    when = words_of(max(1, round(row.not_before - now)))
    reason = row.reason
    if row.failure == "lost":
        return f"Starts again in {when}, for it was lost: {reason}"
    number, tries = row.retried + 1, row.retries + 1
    return f"Try {number} of {tries} in {when}. Last time: {reason}"


def _devices(row: Any, there: Circumstances) -> str:
    kind = ("cuda" if there.has_gpus else "cpu") if row.device == "auto" else row.device
    holders = [f"{job} ({', '.join(ids)})" for job, ids in there.leased.items() if ids[0].startswith(kind)]
    if not row.processes or not holders:
        return "Starts in a moment."
    one, many = ("GPU", "GPUs") if kind == "cuda" else ("CPU slot", "CPU slots")
    number, devices, jobs = row.processes, one if row.processes == 1 else many, ", ".join(holders)
    return f"Waits for {number} {devices}; in use by {jobs}."
