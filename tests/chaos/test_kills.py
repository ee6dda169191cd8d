"""Random kills of everything. Whatever dies, every job ends in an honest state and nothing is left behind.

CHAOS_ROUNDS (default 5) rounds; CHAOS_SEED repeats a run. The seed is printed.
"""

import os
import random
import signal
import time

import pytest

from jobs.protocol.folder import read_json
from jobs.protocol.identity import ProcessIdentity, processes_with_cookie
from jobs.protocol.states import State
from tests.fakes.processes import living, start_server, until
from tests.fakes.studio import make_studio, train_spec

pytestmark = pytest.mark.chaos

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "5"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or int(time.time())
GOOD, BAD, DEAF = (
    "steps=40 pause=0.03",
    "steps=40 pause=0.02 exit=3 at=25",
    "steps=40 pause=0.03 deaf=1 orphan=1",
)


class Monkey:
    """Kills, stops and restarts at random, and remembers what it did to which job."""

    def __init__(self, studio, home, rng):
        self.studio, self.home, self.rng = studio, home, rng
        self.server = start_server(home)
        self.hurt: set[str] = set()
        self.stopped: set[str] = set()

    def act(self, ids):
        job_id = self.rng.choice(ids)
        act = self.rng.choice([self.kill_server, self.kill_guard, self.kill_child, self.stop, self.freeze])
        act(job_id)

    def kill_server(self, _):
        self.server.kill()
        self.server.wait()
        time.sleep(self.rng.random() * 0.3)
        self.server = start_server(self.home)

    def freeze(self, _):
        self.server.send_signal(signal.SIGSTOP)
        time.sleep(self.rng.random() * 0.5)
        self.server.send_signal(signal.SIGCONT)

    def kill_guard(self, job_id):
        for process in self._recorded(job_id, "supervisor"):
            process.kill()

    def kill_child(self, job_id):
        run = self.studio.jobs.folder(job_id)
        for number in run.attempt_numbers():
            facts = read_json(run.attempt(number).run_json) or {}
            for process in processes_with_cookie(facts.get("cookie", "none")):
                self.hurt.add(job_id)
                process.kill()

    def stop(self, job_id):
        self.stopped.add(job_id)
        self.studio.jobs.stop(job_id, grace=0.5)

    def _recorded(self, job_id, name):
        run = self.studio.jobs.folder(job_id)
        for number in run.attempt_numbers():
            facts = read_json(run.attempt(number).run_json) or {}
            if facts.get(name):
                yield ProcessIdentity.from_dict(facts[name])


def honest(job, words, monkey):
    """Whether a job's end is one that what was done to it explains."""
    run = monkey.studio.jobs.folder(job.id)
    result = read_json(run.result_json) or {}
    finished = result.get("status") == "succeeded" and result.get("attempt") == job.attempt
    if job.state == State.SUCCEEDED:
        return finished
    if finished:
        return False
    if job.state == State.STOPPED:
        return job.id in monkey.stopped
    if job.state == State.FAILED:
        return bool(job.failure) and bool(job.reason) and (words == BAD or job.id in monkey.hurt)
    # Nobody could see the exit code: its guardian was killed with it, or before it.
    return job.state == State.LOST and (words == BAD or job.id in monkey.hurt)


@pytest.mark.parametrize("round_number", range(ROUNDS))
def test_every_end_is_honest(studio_home, round_number):
    seed = SEED + round_number
    print(f"CHAOS_SEED={seed}")
    rng = random.Random(seed)
    with make_studio(studio_home) as studio:
        jobs = {studio.jobs.submit(train_spec(w)).id: w for w in rng.choices([GOOD, BAD, DEAF], k=4)}
        monkey = Monkey(studio, studio_home, rng)
        try:
            for _ in range(6):
                time.sleep(rng.random() * 0.6)
                monkey.act(list(jobs))
            until(lambda: not any(j.active for j in studio.jobs.list()), 40, f"seed {seed}: all ends")
        finally:
            monkey.server.kill()
            monkey.server.wait()
        for job_id, words in jobs.items():
            job = studio.jobs.get(job_id)
            assert honest(job, words, monkey), (seed, job, monkey.hurt, monkey.stopped)
            run = studio.jobs.folder(job_id)
            until(lambda run=run: not living(run), 5, f"seed {seed}: nothing of {job_id} is left")
        assert all(device["job"] is None for device in studio.jobs.devices()), seed
