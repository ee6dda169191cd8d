"""The guardian of one attempt: `python -m jobs.supervisor RUN_FOLDER ATTEMPT [--adopt] [--foreground]`.

It detaches itself from whoever called it, holds the attempt's lock for life, starts the command of run.json
under an anchor (jobs/anchor.py), follows stop requests, and writes exit.json last, when no process of the
attempt is left. Standard library only: it must not fall over with anything that it guards.

    lock held            the supervisor lives (released by the kernel at its death)
    run.json             cookie, command, devices from the executor; identities added here; mtime: heartbeat
    stop                 asks for a stop: SIGKILL to every process after `grace` seconds, SIGTERM `term`
                         seconds before that; the file may hold {"grace": seconds, "term": seconds}. While a
                         checkpoint or model is half written the grace goes on, up to ten times as long
    exit.json            {code, signal, stopped, started_at, ended_at, last_lines, adopted, oom_kills,
                         waited_for: what kept this file from being written}

With --adopt it guards processes that an earlier supervisor left behind (jobs/protocol/tree.py). If their
anchor has died too their exit code cannot be had; `code` is then 0 if result.json tells of this attempt's
end, else null.
"""

import argparse
import contextlib
import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from jobs.anchor import GO, PR_SET_CHILD_SUBREAPER
from jobs.protocol.folder import AttemptFolder, RunFolder, read_facts, read_json, write_json
from jobs.protocol.identity import COOKIE, ProcessIdentity
from jobs.protocol.log_file import LogCap
from jobs.protocol.tree import children, descendants, has_cookie, members, strays

POLL_SECONDS, FORK_SECONDS = 0.25, 0.005
HEARTBEAT_SECONDS = 5.0
STRAYS_SECONDS = 1.0
GRACE_SECONDS = 60.0  # from the stop request to SIGKILL
TERM_SECONDS, TERM_SHARE = 10.0, 3  # from SIGTERM to SIGKILL; of a short grace the last third
DISK_SECONDS = 1.0
SAVING_SECONDS, SAVING_TIMES = 10.0, 10  # a file written so lately: it is saving; at most so many graces
LINGER_SECONDS = 2.0  # for what outlives the main process, before SIGTERM
LOCK_SECONDS = 1.0  # a reconciler that looks whether the lock is free holds it for a moment
LAST_LINES, LAST_BYTES = 30, 8192
LOCK_HELD = 75  # our exit code when another supervisor guards the attempt (EX_TEMPFAIL)
ANCHOR = str(Path(__file__).with_name("anchor.py"))


def take_lock(path: Path, seconds: float = LOCK_SECONDS) -> int | None:
    """An exclusive lock as an open file descriptor, None if another process keeps it.

    The descriptor survives our forks and is closed in programs we start (O_CLOEXEC).
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(fd)
                return None
            time.sleep(0.02)


def last_lines(log: Path) -> list[str]:
    """The end of the log."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LAST_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()[-LAST_LINES:]
    except OSError:
        return []


def oom_kills() -> int | None:
    """How many processes the kernel has killed for want of memory since boot."""
    try:
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    except OSError:
        return None
    return None


class Supervisor:
    """Watches one attempt from its start, or its adoption, to an empty process tree."""

    def __init__(self, run: RunFolder, attempt: AttemptFolder):
        self.run, self.attempt = run, attempt
        self.facts: dict = read_json(attempt.run_json) or {}
        self.cookie: str = self.facts["cookie"]
        self.started_at = float(self.facts.get("started_at") or time.time())
        self.status: int | None = self.facts.get("status")  # of the program as waitpid says it, once known
        self.anchor = self._recorded("anchor")
        self.child = self._recorded("child")  # the program itself
        self.adopted = False
        self.stop_since: float | None = None
        self.term_since: float | None = None
        self._beat = self._looked = 0.0
        self._log_cap = LogCap(attempt.log)
        self._oom = oom_kills()

    # --- beginning ----

    def start(self) -> bool:
        """Start the command. False if that cannot be done; the log says why."""
        self.started_at, self.status = time.time(), None  # a batch system may start an attempt again
        log = os.open(self.attempt.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            anchor = subprocess.Popen(
                [sys.executable, "-I", "-S", ANCHOR, *self.facts["command"]],
                cwd=self.run.path,
                env={**os.environ, COOKIE: self.cookie},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            sys.stderr.write(f"supervisor: cannot start {sys.executable}: {error}\n")
            self.status = 127 << 8
            return False
        finally:
            os.close(log)
        anchor.returncode = 0  # we reap it ourselves, with every orphan that comes to us
        self.anchor = ProcessIdentity.of(anchor.pid)
        self._record()
        with contextlib.suppress(BrokenPipeError):
            anchor.communicate(GO)
        while self.child is None and self.anchor is not None and self.anchor.is_alive():
            self._find_child()  # at once: if the anchor dies first we cannot tell it from other orphans
            time.sleep(FORK_SECONDS)
        return True

    def adopt(self) -> None:
        """Take over what an earlier supervisor left."""
        self.adopted = True
        self._record()

    def _recorded(self, name: str) -> ProcessIdentity | None:
        data = self.facts.get(name)
        return ProcessIdentity.from_dict(data) if data else None

    def _record(self) -> None:
        me = ProcessIdentity.of(os.getpid())
        self.facts |= {
            "supervisor": me.to_dict() if me else None,
            "anchor": self.anchor.to_dict() if self.anchor else None,
            "child": self.child.to_dict() if self.child else None,
            "status": self.status,
            "started_at": self.started_at,
        }
        try:
            write_json(self.attempt.run_json, self.facts)
        except OSError as error:  # only a note for people: the cookie was written before us
            sys.stderr.write(f"supervisor: cannot write run.json: {error}\n")

    # --- watching ----

    def watch(self) -> None:
        """Return when the main process has ended."""
        while not self._main_ended():
            self._heartbeat()
            self._note_strays()
            self._follow_stop()
            self._wait(POLL_SECONDS)

    def sweep(self) -> None:
        """Return when nothing of the attempt is left; what does not leave by itself is killed."""
        since = time.monotonic()
        while members := self.members():
            self._heartbeat()
            waited = time.monotonic() - since
            if waited > 2 * LINGER_SECONDS or self.term_since is not None:
                self._signal(members, signal.SIGKILL)
            elif waited > LINGER_SECONDS:
                self._signal(members, signal.SIGTERM)
            self._wait(POLL_SECONDS)
        self._record()  # with the anchor goes the only other trace of how the program ended
        while self.anchor is not None and self.anchor.kill():  # last: until now orphans fell back to it
            self._wait(POLL_SECONDS)
            self._reap()

    def members(self) -> list[ProcessIdentity]:
        """Every living process of the attempt but the anchor and ourselves."""
        self._reap()
        found = dict.fromkeys([*descendants([os.getpid()]), *members(self.facts)])
        return [identity for identity in found if identity != self.anchor]

    def _main_ended(self) -> bool:
        self._reap()
        anchored = self.anchor is not None and self.anchor.is_alive()
        if self.child is None:
            self._find_child()
        if self.child is None:  # both guardians died before anybody saw it
            return not anchored and not self.members()
        if self.child.is_alive():
            return False
        if self.status is None:
            self.status = self.child.wait_status()
        return True

    def _find_child(self) -> None:
        """The program is its parent's oldest child: it is never reaped, and all others descend from it."""
        found = [ProcessIdentity.even_dead(pid) for pid in children(self._parent())]
        self.child = min((f for f in found if f is not None), key=lambda f: f.start_ticks, default=None)
        if self.child is not None:
            self._record()

    def _parent(self) -> int:
        """Whom orphans fall back to: the anchor, or ourselves when that is dead."""
        return self.anchor.pid if self.anchor is not None and self.anchor.is_alive() else os.getpid()

    def _note_strays(self) -> None:
        """Write down orphans that have cleared their environment: whoever adopts them could not find them."""
        if time.monotonic() - self._looked < STRAYS_SECONDS:
            return
        self._looked = time.monotonic()
        orphans = [p for p in children(self._parent()) if not has_cookie(p, self.cookie)]
        known = {stray.pid: stray for stray in strays(self.facts) if stray.is_alive()}
        found = [identity for identity in map(ProcessIdentity.of, orphans) if identity != self.child]
        new = [stray for stray in found if stray is not None and known.get(stray.pid) != stray]
        if new:
            self.facts["strays"] = [stray.to_dict() for stray in [*known.values(), *new]]
            self._record()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.child is not None and pid == self.child.pid:  # it came to us when its anchor died
                self.status = status

    def _wait(self, seconds: float) -> None:
        """Sleep, but wake at once when a child ends; SIGTERM to us is a stop request."""
        info = signal.sigtimedwait({signal.SIGCHLD, signal.SIGTERM}, seconds)
        if info is not None and info.si_signo == signal.SIGTERM:
            with contextlib.suppress(OSError):
                self.attempt.request_stop()

    def _heartbeat(self) -> None:
        now = time.monotonic()
        if now - self._beat >= HEARTBEAT_SECONDS:
            self._beat = now
            with contextlib.suppress(OSError):
                os.utime(self.attempt.run_json)
                self._log_cap.check()

    def _follow_stop(self) -> None:
        if not self.attempt.stop_requested():
            return
        now = time.monotonic()
        if self.stop_since is None:
            self.stop_since = now
        grace, term = self._patience()  # read anew: a second request may be less patient
        waited = now - self.stop_since
        if waited < grace - term or (waited < SAVING_TIMES * grace and self._saving()):
            return  # a signal now would cost what the stop is meant to save
        if waited >= grace:
            self.term_since = self.term_since or now
            self._signal(self.members(), signal.SIGKILL)
        elif self.term_since is None:
            self.term_since = now
            self._signal(self.members(), signal.SIGTERM)

    def _saving(self) -> bool:
        """Whether a checkpoint or the model is half written and still grows."""
        now = time.time()
        for folder in self.run.half_written():
            for top, _, files in os.walk(folder):  # which passes over what goes meanwhile
                for path in (top, *(os.path.join(top, name) for name in files)):
                    with contextlib.suppress(OSError):
                        age = now - os.stat(path).st_mtime
                        if 0 <= age < SAVING_SECONDS:  # the clock may have been set back
                            return True
        return False

    def _patience(self) -> tuple[float, float]:
        try:
            request = json.loads(self.attempt.stop.read_text() or "{}")
            grace = float(request.get("grace", GRACE_SECONDS))
            return grace, float(request.get("term", min(TERM_SECONDS, grace / TERM_SHARE)))
        except (OSError, ValueError, TypeError, AttributeError):
            return GRACE_SECONDS, TERM_SECONDS

    def _signal(self, members: list[ProcessIdentity], number: int) -> None:
        for identity in members:
            with contextlib.suppress(PermissionError):
                identity.signal(number)

    # --- the end ----

    def write_exit(self) -> None:
        """exit.json, last of all. A full disk is waited for: without this file the job would be lost."""
        before, now = self._oom, oom_kills()
        code, number = self._code()
        facts = {
            "code": code,
            "signal": number,
            "stopped": self.attempt.stop_requested(),
            "started_at": self.started_at,
            "ended_at": time.time(),
            "last_lines": last_lines(self.attempt.log),
            "adopted": self.adopted,
            "oom_kills": now - before if now is not None and before is not None else 0,
        }
        while self.attempt.path.is_dir():  # else somebody has deleted the run
            try:
                write_json(self.attempt.exit_json, facts)
                return
            except OSError as error:
                facts["waited_for"] = error.strerror
                time.sleep(DISK_SECONDS)

    def _code(self) -> tuple[int | None, int | None]:
        if self.status is not None:
            code = os.waitstatus_to_exitcode(self.status)
            return (code, None) if code >= 0 else (None, -code)
        result = read_facts(self.run.result_json) or {}
        return (0 if result.get("attempt") == self.attempt.number else None), None


def guard(run: RunFolder, attempt: AttemptFolder, adopt: bool) -> None:
    """One attempt from here to its end."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(
        signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM}
    )  # the anchor takes it off again
    supervisor = Supervisor(run, attempt)
    if adopt:
        supervisor.adopt()
    if adopt or supervisor.start():
        supervisor.watch()
        supervisor.sweep()
    supervisor.write_exit()


def detach(log: Path) -> None:
    """Become a daemon in a session of its own, with output to the attempt's log."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for source, target in ((null, 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(out)
    os.chdir("/")


def main(argv: list[str] | None = None) -> int:
    """Returns 0 once detached, 75 if another supervisor guards the attempt."""
    parser = argparse.ArgumentParser(prog="python -m jobs.supervisor", description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("attempt", type=int)
    parser.add_argument("--adopt", action="store_true", help="guard processes that are already running")
    parser.add_argument("--foreground", action="store_true", help="do not detach (batch systems)")
    options = parser.parse_args(argv)
    run = RunFolder(options.run)
    attempt = run.attempt(options.attempt)
    # Locked before the fork: when our caller sees us return, the attempt is guarded.
    lock = take_lock(attempt.lock)
    if lock is None:
        sys.stderr.write(f"{attempt.path} is guarded by another supervisor.\n")
        return LOCK_HELD
    if attempt.exit_json.exists():
        return 0  # it was given up, or ended, before we came
    if not options.foreground:
        detach(attempt.log)
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    guard(run, attempt, options.adopt)
    return 0


if __name__ == "__main__":
    sys.exit(main())
