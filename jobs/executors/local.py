"""Attempts on this machine, each under its own detached supervisor."""

import contextlib
import fcntl
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence

from jobs import launch
from jobs.executors.base import Liveness
from jobs.protocol.errors import ResourceError
from jobs.protocol.folder import AttemptFolder, RunFolder, read_facts, write_json
from jobs.protocol.identity import boot_id
from jobs.protocol.tree import members
from jobs.specs.job import JobSpec
from jobs.specs.load import parse_spec

EXEC_SECONDS = 0.05
START_SECONDS = 60  # for the supervisor to detach, on a machine that is very busy


def supervised(attempt: AttemptFolder) -> bool:
    """Whether a supervisor holds the attempt's lock."""
    try:
        fd = os.open(attempt.lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


class LocalExecutor:
    """Runs programs here. `programs` maps kinds to modules; tests put their own in."""

    name = "local"

    def __init__(self, programs: Mapping[str, str] | None = None, python: str = sys.executable):
        self.programs: Mapping[str, str] = {**launch.PROGRAMS, **(programs or {})}
        self.python = python

    def command(
        self, spec: JobSpec, run: RunFolder, devices: Sequence[str] = (), port: int | None = None
    ) -> list[str]:
        return launch.command(spec, run, devices, port, self.python, self.programs)

    def submit(self, run: RunFolder, attempt: int, devices: Sequence[str], port: int | None = None) -> None:
        """Start an attempt whose folder exists. Raises: ResourceError, SpecError."""
        folder = run.attempt(attempt)
        spec = parse_spec(run.spec(), where=str(run.spec_json))
        if port is None and launch.needs_port(spec):
            port = launch.free_port()
        facts = {
            "executor": self.name,
            "cookie": uuid.uuid4().hex,
            "command": self.command(spec, run, devices, port),
            "devices": list(devices),
            "port": port,
            "boot_id": boot_id(),
            "created_at": time.time(),
        }
        others = launch.elsewhere(spec, run, attempt, self.python, self.programs)
        try:
            if others:
                folder.launch.write_text(others, encoding="utf-8")
                folder.log.write_text(others, encoding="utf-8")  # the job's page shows the log
            write_json(folder.run_json, facts)
        except OSError as error:
            raise ResourceError(f"{folder.path} cannot be written: {error.strerror}.") from None
        env = launch.environment(spec, devices, attempt, None, os.environ, self.python)
        self._supervise(run, attempt, env)

    def poll(self, run: RunFolder, attempt: int) -> Liveness:
        folder = run.attempt(attempt)
        guarded = supervised(folder)  # before exit.json: it is written while the lock is still held
        ended = read_facts(folder.exit_json)
        facts = read_facts(folder.run_json)
        if facts is None:
            return Liveness(supervised=guarded, ended=ended)
        same_boot = facts.get("boot_id") == boot_id()
        survivors = ()
        if not guarded and same_boot:
            survivors = tuple(members(facts))
            if not survivors:  # a process in the middle of an exec shows no environment: look twice
                time.sleep(EXEC_SECONDS)
                survivors = tuple(members(facts))
            guarded = supervised(folder)  # it may have begun since the first look,
            ended = read_facts(folder.exit_json)  # and have ended too
        untold = not guarded and ended is None and facts.get("status") is not None
        return Liveness(guarded, ended, survivors, started=True, same_boot=same_boot, untold=untold)

    def stop(self, run: RunFolder, attempt: int, grace_seconds: float) -> None:
        run.attempt(attempt).request_stop(grace_seconds)

    def adopt(self, run: RunFolder, attempt: int) -> None:
        self._supervise(run, attempt, dict(os.environ), "--adopt")

    def abandon(self, run: RunFolder, attempt: int) -> bool:
        folder = run.attempt(attempt)
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            facts = read_facts(folder.run_json)
            if folder.exit_json.exists() or (facts or {}).get("anchor"):
                return False
            # A supervisor that comes late finds this mark and leaves.
            ended = {"code": None, "signal": None, "stopped": False, "never_started": True, "last_lines": []}
            write_json(folder.exit_json, ended | {"started_at": None, "ended_at": time.time()})
            return True
        finally:
            os.close(fd)

    def _supervise(self, run: RunFolder, attempt: int, env: dict[str, str], *flags: str) -> None:
        argv = [self.python, "-m", "jobs.supervisor", str(run.path), str(attempt), *flags]
        if source := launch.source_root():
            env = env | {
                "PYTHONPATH": os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")]))
            }
        try:
            process = subprocess.run(
                argv,
                cwd="/",
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=START_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            if supervised(run.attempt(attempt)):
                return  # it was slow to say so, on a very busy machine
            raise ResourceError(f"The supervisor of {run.id} could not be started: {error}.") from None
        if process.returncode != 0:
            text = process.stderr.decode("utf-8", "replace").strip().splitlines()
            if not supervised(run.attempt(attempt)):  # else the log is that of a job which goes well
                with contextlib.suppress(OSError), open(run.attempt(attempt).log, "a") as log:
                    log.write("\n".join(text) + "\n")
            cause = text[-1] if text else f"exit code {process.returncode}"
            raise ResourceError(f"The supervisor of {run.id} could not be started: {cause}")
