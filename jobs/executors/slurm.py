"""Attempts in a Slurm cluster: the same supervisor in the same run folder, started by a batch script.

The folder lies on a disk that this machine and the nodes share. An attempt is known by its name in Slurm
(`<run>-<cookie>`), so it is found again though an answer of sbatch was lost. Slurm is asked at most every few
seconds, for all jobs together. While the controller does not answer, nothing is judged.
"""

import contextlib
import shlex
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from jobs import launch
from jobs.executors import slurm_script
from jobs.executors.base import Liveness
from jobs.executors.slurm_queue import QUEUE_SECONDS, QueuedJob, SlurmError, SlurmQueue, View
from jobs.protocol.errors import ResourceError
from jobs.protocol.folder import AttemptFolder, RunFolder, read_facts, write_atomic, write_json
from jobs.specs.job import JobSpec
from jobs.specs.load import parse_spec
from jobs.specs.slurm import SlurmSpec

HEARTBEAT_SECONDS = 30.0  # a supervisor writes one every 5; so long its silence may be the disk's delay
CANCEL_SECONDS = 60.0  # after the grace of a stop: then the whole batch job is cancelled
LAST_LINES, LAST_BYTES = 30, 8192
GIVEN = "Slurm has it."


class SlurmExecutor:
    """Runs programs in a cluster. `programs` maps kinds to modules; tests put their own in."""

    name = "slurm"

    def __init__(
        self,
        programs: Mapping[str, str] | None = None,
        python: str = sys.executable,
        queue_seconds: float = QUEUE_SECONDS,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ):
        self.programs: Mapping[str, str] = {**launch.PROGRAMS, **(programs or {})}
        self.python = python
        self.queue_seconds, self.heartbeat_seconds = queue_seconds, heartbeat_seconds
        self._queues: dict[str, SlurmQueue] = {}
        self._ends: dict[str, float] = {}  # attempt folder and end -> when it was first seen
        self._lock = threading.Lock()

    # --- the interface of every executor ----

    def command(
        self, spec: JobSpec, run: RunFolder, devices: Sequence[str] = (), port: int | None = None
    ) -> list[str]:
        slurm = _slurm(spec)
        argv = self._sbatch(run, 1 + max(run.attempt_numbers(), default=0))
        return ["ssh", slurm.host, shlex.join(argv)] if slurm.host else argv

    def submit(self, run: RunFolder, attempt: int, devices: Sequence[str], port: int | None = None) -> bool:
        """Give the attempt to Slurm. True: it may wait there. Raises: ResourceError, SpecError."""
        folder = run.attempt(attempt)
        spec = parse_spec(run.spec(), where=str(run.spec_json))
        slurm, cookie = _slurm(spec), uuid.uuid4().hex
        program = self.programs[spec.kind]
        facts = {
            "executor": self.name,
            "host": slurm.host,
            "cookie": cookie,
            "command": slurm_script.command(spec, slurm, run, attempt, program, self.python),
            "devices": [],
            "port": None,
            "boot_id": None,  # of a machine that is not known yet
            "created_at": time.time(),
        }
        name = job_name(run, cookie)
        try:
            text = slurm_script.script(spec, slurm, run, attempt, name, self.python)
            write_atomic(folder.batch, text)
            write_json(folder.run_json, facts)
        except OSError as error:
            raise ResourceError(f"{folder.path} cannot be written: {error.strerror}.") from None
        queue = self.queue(slurm.host)
        if problem := queue.look().problem:  # sbatch would find the same, after 9 seconds
            raise SlurmError(problem, away=True)
        answer = queue.run(self._sbatch(run, attempt))
        number = answer.strip().split(";")[0]  # "12;cluster" where there are several clusters
        write_json(folder.batch_json, {"id": number, "host": slurm.host, "submitted_at": time.time()})
        return True

    def poll(self, run: RunFolder, attempt: int) -> Liveness:
        folder = run.attempt(attempt)
        facts = read_facts(folder.run_json)
        if facts is None or "cookie" not in facts:
            return Liveness(ended=read_facts(folder.exit_json))
        host = str(facts.get("host", ""))
        view = self.queue(host).look()
        job = view.jobs.get(job_name(run, facts["cookie"]))
        ended = read_facts(folder.exit_json)  # after squeue, which is asked before it
        if ended is not None and self._is_final(folder, ended, view, job):
            return Liveness(ended=_with_reason(folder, ended), started=True)
        given = None if has_begun(facts) else GIVEN
        if not view.known:
            return _followed(_away(view, host) or given)
        if job is not None and not job.over:
            self._enforce_stop(folder, host, job)
            waits = f"Waits in Slurm's queue as job {job.id} ({job.reason})."
            return _followed(waits if job.waits else None)
        return self._gone(folder, facts, view, job)

    def stop(self, run: RunFolder, attempt: int, grace_seconds: float) -> None:
        folder = run.attempt(attempt)
        folder.request_stop(grace_seconds)
        facts = read_facts(folder.run_json) or {}
        if "cookie" in facts and not has_begun(facts):  # else it would begin only to leave
            argv = ["scancel", "--state=PENDING", f"--name={job_name(run, facts['cookie'])}"]
            with contextlib.suppress(SlurmError):  # poll tries again
                self.queue(facts.get("host", "")).run(argv)

    def adopt(self, run: RunFolder, attempt: int) -> None:
        raise NotImplementedError("Slurm ends what its batch script leaves behind")

    def abandon(self, run: RunFolder, attempt: int) -> bool:
        folder = run.attempt(attempt)
        facts = read_facts(folder.run_json)
        if folder.exit_json.exists() or has_begun(facts or {}):
            return False
        if facts is not None and "cookie" in facts:
            queue = self.queue(facts.get("host", ""))
            view = queue.look()
            if not view.problem:
                view = queue.ask()
            if view.problem or job_name(run, facts["cookie"]) in view.jobs:
                return False
        # A supervisor that comes late finds this mark and leaves.
        ended = {"code": None, "signal": None, "stopped": False, "never_started": True, "last_lines": []}
        write_json(folder.exit_json, ended | {"started_at": None, "ended_at": time.time()})
        return True

    def queue(self, host: str) -> SlurmQueue:
        """The cluster behind a login node; empty: this machine's."""
        with self._lock:
            return self._queues.setdefault(host, SlurmQueue(host, self.queue_seconds))

    # --- inside ----

    def _sbatch(self, run: RunFolder, attempt: int) -> list[str]:
        folder = run.attempt(attempt)
        # On the command line, where a path may hold any character; in a script Slurm would take it apart.
        output = str(folder.batch_log).replace("%", "%%")
        return ["sbatch", "--parsable", f"--output={output}", str(folder.batch)]

    def _is_final(
        self, folder: AttemptFolder, ended: dict[str, Any], view: View, job: QueuedJob | None
    ) -> bool:
        """Whether exit.json is the end. A stop that did not come from us may be the first half of a requeue:
        then Slurm has the job still."""
        if not ended.get("stopped") or asked_here(folder):
            return True
        end = f"{folder.path} {ended.get('ended_at')}"  # a requeued job may come to a second one
        seen = self._ends.setdefault(end, time.monotonic())
        if view.known and view.taken > seen and (job is None or job.over):
            del self._ends[end]
            return True
        return False

    def _enforce_stop(self, folder: AttemptFolder, host: str, job: QueuedJob) -> None:
        """Cancel what was asked to stop and still waits, or has not left long after its grace."""
        if not asked_here(folder):
            return
        request = read_facts(folder.stop) or {}
        patience = float(request.get("grace", 0)) + CANCEL_SECONDS
        late = time.time() - folder.stop.stat().st_mtime > patience
        if job.waits or (late and job.state != "COMPLETING"):
            with contextlib.suppress(SlurmError):  # tried again at the next look
                self.queue(host).run(["scancel", job.id])

    def _gone(
        self, folder: AttemptFolder, facts: dict[str, Any], view: View, job: QueuedJob | None
    ) -> Liveness:
        """Slurm is done with it or does not know it, and there is no exit.json."""
        begun = has_begun(facts)
        submitted = folder.batch_json.exists()
        sure = job is not None and job.state == "CANCELLED" and not begun
        silent = time.time() - folder.run_json.stat().st_mtime
        asked = time.monotonic() - view.taken  # so long ago; an answer says nothing of what came later
        if not sure and silent - asked < self.heartbeat_seconds:
            return _followed(None if begun else GIVEN)
        if job is None and not submitted and not begun:
            return Liveness(started=True)  # sbatch never took it: it may be started anew
        lines = _last_lines(folder)
        ended = {
            "code": None,
            "signal": None,
            "stopped": asked_here(folder),
            "begun": begun,
            "slurm": job.state if job else "",
            "slurm_reason": job.reason if job else "",
            "last_lines": lines,
            "started_at": facts.get("started_at"),
            "ended_at": time.time(),
        }
        write_json(folder.exit_json, ended)  # Slurm forgets it in minutes
        return Liveness(ended=ended, started=True)


def job_name(run: RunFolder, cookie: str) -> str:
    """What the attempt is called in Slurm: no other has this name."""
    return f"{run.id}-{cookie[:8]}"


def has_begun(facts: Mapping[str, Any]) -> bool:
    """Whether a supervisor on a node has started something."""
    return bool(facts.get("anchor") or facts.get("child"))


def asked_here(folder: AttemptFolder) -> bool:
    """Whether the studio asked for the stop; a batch script leaves an empty stop file."""
    try:
        return folder.stop.stat().st_size > 0
    except OSError:
        return False


def _followed(waiting: str | None) -> Liveness:
    return Liveness(supervised=True, started=True, requeues=True, waiting=waiting)


def _with_reason(folder: AttemptFolder, ended: dict[str, Any]) -> dict[str, Any]:
    if ended.get("stopped") and not ended.get("slurm") and not asked_here(folder):
        return ended | {"stop_reason": "Slurm asked it to stop: by its time limit, scancel or preemption."}
    return ended


def _away(view: View, host: str) -> str | None:
    if not view.problem and not view.taken:
        return None  # asked for the first time: the answer comes in a moment
    where = f" on {host}" if host else ""
    said = view.problem or "it has not answered for a minute"
    return f"Slurm{where} does not answer; the job is followed again when it does. ({said})"


def _slurm(spec: JobSpec) -> SlurmSpec:
    if spec.slurm is None:
        raise AssertionError("a job without slurm settings runs on this machine")
    return spec.slurm


def _last_lines(folder: AttemptFolder) -> list[str]:
    """The end of the log, and of what the batch script and Slurm said."""
    lines = []
    for path in (folder.log, folder.batch_log):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - LAST_BYTES))
            lines += file.read().decode("utf-8", "replace").splitlines()[-LAST_LINES:]
    return lines[-LAST_LINES:]
