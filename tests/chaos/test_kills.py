"""Random kills of everything. Whatever dies, every job ends in an honest state and nothing is left behind.

CHAOS_ROUNDS (default 3) rounds; CHAOS_SEED repeats a run: round n of seed s is round 0 of seed s + n. The
seed is printed. Every REAL-th round has a real torchrun among its jobs.
"""

import os
import random
import re
import time
from typing import Any, NamedTuple

import pytest

from jobs.protocol.events import read_events
from jobs.protocol.folder import RunFolder, read_json
from jobs.protocol.identity import ProcessIdentity
from jobs.protocol.states import State
from tests.fakes.monkey import SLOTS, Monkey, Watcher
from tests.fakes.processes import living, until
from tests.fakes.studio import PROGRAMS, LightExecutor, make_studio, train_spec
from tests.fakes.witness import heard

pytestmark = pytest.mark.chaos

ROUNDS, SEED = int(os.environ["CHAOS_ROUNDS"]), int(os.environ["CHAOS_SEED"])  # see conftest.py
JOBS, ACTS, REAL = 5, 6, 10
PATIENCE = 300  # seconds: on a machine with much else to do a round of 8 seconds takes minutes


class Life(NamedTuple):
    """A way to live, and how it ends if nobody interferes."""

    words: str
    state: State = State.SUCCEEDED
    failure: str | None = None
    processes: int = 1
    retries: int = 0


LIVES = {
    "good": Life("steps=40 pause=0.03"),
    "two ranks": Life("steps=40 pause=0.03", processes=2),
    "deaf": Life("steps=40 pause=0.03 deaf=1 orphan=1"),
    "escape": Life("steps=30 pause=0.03 escape=1 deaf=1"),
    "breed": Life("steps=30 pause=0.03 breed=1"),
    "flood": Life("steps=10 pause=0.03 flood=10"),
    "fails": Life("steps=40 pause=0.02 exit=3 at=25", State.FAILED, "program"),
    "memory": Life("steps=40 pause=0.02 raise=CUDA_out_of_memory at=25", State.FAILED, "memory"),
    "silent": Life("steps=40 pause=0.02 silent=1 at=25", State.FAILED, "program"),
    "half": Life("steps=40 pause=0.02 half=0.3 at=12", State.FAILED, "program"),
    "again": Life("steps=40 pause=0.02 exit=3 at=25", retries=2),
    "hangs": Life("steps=40 pause=0.02 hang=1 at=10", State.STOPPED),
}
REAL_TORCHRUN = Life("steps=40 pause=0.03 real=1", processes=2)


def spec(life: Life) -> dict[str, Any]:
    launcher = {"launcher": "torchrun", "processes": life.processes} if life.processes > 1 else {}
    queue = {"retries": life.retries, "retry_wait": 0.1}
    return {**train_spec(f"{life.words} watched=1", device="cpu", **launcher), "queue": queue}


def explained(job: Any, life: Life, monkey: Monkey) -> bool:
    """Whether what was done to a job explains its end."""
    result = read_json(monkey.studio.jobs.folder(job.id).result_json) or {}
    finished = result.get("status") == "succeeded" and result.get("attempt") == job.attempt
    hurt, stopped = job.id in monkey.hurt, job.id in monkey.stopped
    if job.state != State.SUCCEEDED and not (job.reason and (job.failure or stopped)):
        return False  # an end without a word
    if (job.state == State.SUCCEEDED) != finished:
        return False
    if job.state == State.LOST:  # nobody could see the exit code: both its guardians were killed
        both = {(job.id, job.attempt, who) for who in ("supervisor", "anchor")}
        return both <= monkey.unguarded and (hurt or life.state == State.FAILED)
    if job.state == State.STOPPED:
        return stopped
    if hurt or stopped:
        return True
    return (job.state, job.failure) == (life.state, life.failure)


def numbers(run: RunFolder, attempt: int) -> list[int]:
    """The numbered lines of an attempt's log; a line that a kill cut short is the log's last."""
    text = run.attempt(attempt).log.read_text(errors="replace")
    return [int(number) for number in re.findall(r"^line (\d+)\n", text, re.MULTILINE)]


def lost_lines(run: RunFolder) -> list[str]:
    """Lines or events that are missing in the middle, or that were told of and are not in the log."""
    found = []
    for number in run.attempt_numbers():
        steps = [
            e["step"]
            for _, e in read_events(run.events)
            if e["event"] == "metrics" and e["attempt"] == number
        ]
        lines = numbers(run, number) if run.attempt(number).log.exists() else []
        for name, seen in (("lines", lines), ("events", steps)):
            if seen and seen != list(range(seen[0], seen[-1] + 1)):
                found.append(f"attempt {number}: {name} {seen}")
        if steps and (not lines or lines[-1] < steps[-1]):
            found.append(f"attempt {number}: step {steps[-1]} is not in the log")
        text = run.attempt(number).log.read_text(errors="replace") if lines else ""
        if "flooded" in text and text.count("x" * 99 + "\n") != 100_000:
            found.append(f"attempt {number}: {text.count('x' * 99)} lines of the flood")
    return found


def play(studio: Any, home: Any, rng: random.Random, lives: list[Life]) -> tuple[Monkey, dict[str, Life]]:
    """One round: jobs, tricks at random moments, and the wait for the end of all."""
    jobs = {studio.jobs.submit(spec(life)).id: life for life in lives}
    monkey = Monkey(studio, home, rng)
    try:
        for _ in range(ACTS):
            time.sleep(rng.random() * 0.8)
            monkey.act(list(jobs))
        for job_id, life in jobs.items():
            if life.state == State.STOPPED:
                monkey.stop(job_id)
        until(
            lambda: not any(j.active for j in studio.jobs.list()), PATIENCE, f"the end of all {monkey.done}"
        )
    finally:
        monkey.end()
    return monkey, jobs


@pytest.mark.parametrize("round_number", range(ROUNDS))
def test_every_end_is_honest(studio_home, round_number):
    seed = SEED + round_number
    print(f"CHAOS_SEED={seed} CHAOS_ROUNDS=1 repeats round {round_number + 1} of {ROUNDS}")
    rng = random.Random(seed)
    lives = rng.choices(list(LIVES.values()), k=JOBS)
    if seed % REAL == 0:
        lives[0] = REAL_TORCHRUN
    executor = LightExecutor(PROGRAMS)
    with make_studio(studio_home, executor, SLOTS) as studio, Watcher(studio) as watcher:
        monkey, jobs = play(studio, studio_home, rng, lives)
        told = heard(studio_home)
        for job_id, life in jobs.items():
            job, run = studio.jobs.get(job_id), studio.jobs.folder(job_id)
            assert explained(job, life, monkey), (seed, life, job, monkey.done, monkey.hurt, monkey.unguarded)
            began = [t["attempt"] for t in told if t["job"] == job_id and t.get("began") and t["rank"] == 0]
            assert len(began) == len(set(began)) <= 1 + life.retries, (seed, life, began, monkey.done)
            assert job.state != State.SUCCEEDED or began, (seed, job)
            assert not living(run), (seed, life, living(run), monkey.done)
            assert not lost_lines(run), (seed, life, lost_lines(run), monkey.done)
        left = [t for t in told if t["process"] and ProcessIdentity.from_dict(t["process"]).is_alive()]
        assert not left, (seed, left, monkey.done)
        assert not [t for t in told if t.get("overlap")], (seed, told, monkey.done)
        assert all(device["job"] is None for device in studio.jobs.devices()), seed
    assert watcher.looks > 10 and not watcher.wrong, (seed, watcher.wrong, monkey.done)
