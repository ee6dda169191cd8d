"""Waiting for, killing and counting processes in tests."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.launch import source_root
from jobs.protocol.folder import RunFolder, read_facts, read_json
from jobs.protocol.identity import ProcessIdentity
from jobs.protocol.tree import members


def until(condition: Callable[[], Any], seconds: float = 60, what: str = "") -> Any:
    """The condition's value as soon as it is true. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or condition} did not come true in {seconds} s")
        time.sleep(0.03)
    return value


def reaches(studio: Any, job_id: str, state: str, seconds: float = 20) -> Any:
    """The job as soon as it is in `state`."""
    until(lambda: studio.jobs.get(job_id).state == state, seconds, f"{job_id} {state}")
    return studio.jobs.get(job_id)


def start_server(home: Path, cpu: int = 2) -> subprocess.Popen:
    """A scheduling process of its own."""
    argv = [sys.executable, "-m", "tests.fakes.server", str(home), str(cpu)]
    return subprocess.Popen(argv, cwd=source_root())


def facts(run: RunFolder, attempt: int = 1) -> dict[str, Any]:
    """run.json once the child is in it."""
    path = run.attempt(attempt).run_json
    until(lambda: (read_json(path) or {}).get("child"), what=f"{path} with a child")
    return read_json(path)


def identity(run: RunFolder, name: str, attempt: int = 1) -> ProcessIdentity:
    """The supervisor, anchor or child of an attempt."""
    return ProcessIdentity.from_dict(facts(run, attempt)[name])


def living(run: RunFolder) -> list[ProcessIdentity]:
    """Every process of every attempt of a run, supervisors and anchors included."""
    found = []
    for number in run.attempt_numbers():
        data = read_facts(run.attempt(number).run_json) or {}
        found += members(data)
        if data.get("supervisor"):
            guard = ProcessIdentity.from_dict(data["supervisor"])
            found += [guard] if guard.is_alive() else []
    return found
