"""Kills, freezes and stops at random, and remembers what it did to which job; and a watcher beside it."""

import contextlib
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy import select

from backend.store.tables import devices, jobs
from backend.studio import Studio
from jobs.protocol.folder import read_facts
from jobs.protocol.identity import ProcessIdentity
from jobs.protocol.states import ACTIVE, TERMINAL
from jobs.protocol.tree import members
from tests.fakes.processes import start_server

SLOTS = 3


class Monkey:
    """Two servers over one home, of which one schedules; and everything that may happen to them and to jobs.

    hurt: jobs that lost a process. unguarded: (job, attempt, who) of killed supervisors and anchors.
    """

    def __init__(self, studio: Studio, home: Path, rng: random.Random):
        self.studio, self.home, self.rng = studio, home, rng
        self.servers = [start_server(home, SLOTS), start_server(home, SLOTS)]
        self.hurt: set[str] = set()
        self.stopped: set[str] = set()
        self.unguarded: set[tuple[str, int, str]] = set()
        self.done: list[str] = []

    def act(self, ids: list[str]) -> None:
        """One of its tricks, on one of the jobs."""
        tricks = [self.kill_server, self.kill_both_servers, self.freeze_server, self.kill_supervisor]
        tricks += [self.kill_anchor, self.kill_program, self.kill_rank, self.kill_server_and_supervisor]
        trick, job_id = self.rng.choice([*tricks, self.stop]), self.rng.choice(ids)
        self.done.append(f"{trick.__name__} {job_id}")
        trick(job_id)

    def end(self) -> None:
        for server in self.servers:
            server.kill()
            server.wait()

    def kill_server(self, _: str) -> None:
        """The one that schedules, if any does."""
        pid = (self.studio.scheduler_holder() or {}).get("pid")
        at = next((i for i, server in enumerate(self.servers) if server.pid == pid), 0)
        self.servers[at].kill()
        self.servers[at].wait()
        self.servers[at] = start_server(self.home, SLOTS)

    def kill_both_servers(self, _: str) -> None:
        self.end()
        time.sleep(self.rng.random() * 0.5)
        self.servers = [start_server(self.home, SLOTS), start_server(self.home, SLOTS)]

    def freeze_server(self, _: str) -> None:
        for server in self.servers:
            server.send_signal(signal.SIGSTOP)
        time.sleep(self.rng.random() * 0.5)
        for server in self.servers:
            server.send_signal(signal.SIGCONT)

    def kill_supervisor(self, job_id: str) -> None:
        self._kill_guard(job_id, "supervisor")

    def kill_anchor(self, job_id: str) -> None:
        self._kill_guard(job_id, "anchor")

    def kill_server_and_supervisor(self, job_id: str) -> None:
        self.kill_supervisor(job_id)
        self.kill_both_servers(job_id)

    def kill_program(self, job_id: str) -> None:
        """The launcher, or the program itself where there is none."""
        for _, facts in self._attempts(job_id):
            if facts.get("child") and ProcessIdentity.from_dict(facts["child"]).kill():
                self.hurt.add(job_id)

    def kill_rank(self, job_id: str) -> None:
        """Any one process that is not a guardian."""
        for _, facts in self._attempts(job_id):
            found = [m.to_dict() for m in members(facts)]
            found = [m for m in found if m not in (facts.get("anchor"), facts.get("supervisor"))]
            if found and ProcessIdentity.from_dict(self.rng.choice(found)).kill():
                self.hurt.add(job_id)

    def stop(self, job_id: str) -> None:
        self.stopped.add(job_id)
        self.studio.jobs.stop(job_id, grace=1)

    def _kill_guard(self, job_id: str, who: str) -> None:
        for number, facts in self._attempts(job_id):
            if facts.get(who) and ProcessIdentity.from_dict(facts[who]).kill():
                self.unguarded.add((job_id, number, who))

    def _attempts(self, job_id: str) -> list[tuple[int, dict[str, Any]]]:
        run = self.studio.jobs.folder(job_id)
        return [(n, read_facts(run.attempt(n).run_json) or {}) for n in run.attempt_numbers()]


class Watcher(threading.Thread):
    """Looks at rows and leases all the time; `wrong` is what it saw that must never be."""

    def __init__(self, studio: Studio):
        super().__init__(daemon=True)
        self.studio, self.wrong, self.looks = studio, list[str](), 0
        self._over = threading.Event()
        self._ended: dict[str, tuple[int, str]] = {}  # job -> (attempt, terminal state)

    def __enter__(self) -> "Watcher":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(0.03):
            with contextlib.suppress(KeyError):
                self.look()

    def look(self) -> None:
        """Leases belong to active jobs, each job has as many as it asked for; an end is an end."""
        with self.studio.store.read() as conn:
            rows = {
                r.id: r
                for r in conn.execute(select(jobs.c.id, jobs.c.state, jobs.c.attempt, jobs.c.processes))
            }
            leased = [r.job_id for r in conn.execute(select(devices.c.job_id)) if r.job_id is not None]
        self.looks += 1
        for job_id, row in rows.items():
            want = row.processes if row.state in ACTIVE else 0
            if leased.count(job_id) != want:
                self.wrong.append(f"{job_id} is {row.state} and leases {leased.count(job_id)} devices")
            before = self._ended.get(job_id)
            if before is not None and before[0] == row.attempt and before[1] != row.state:
                self.wrong.append(f"{job_id} was {before[1]} and is {row.state} at attempt {row.attempt}")
            if row.state in TERMINAL:
                self._ended[job_id] = (row.attempt, row.state)
