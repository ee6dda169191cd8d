"""Slurm's commands, here or on a login node, and what squeue says about our jobs."""

import logging
import math
import os
import shlex
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from jobs.launch import FORBIDDEN
from jobs.protocol.errors import ResourceError

log = logging.getLogger(__name__)

QUEUE_SECONDS = 3.0  # between two calls of squeue, for all jobs together
COMMAND_SECONDS = 20.0  # without its controller a command of Slurm gives up after 9
STALE_SECONDS = 60.0  # an answer older than this says nothing about now
SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ControlMaster=auto")
SSH_SHARED = ("-o", "ControlPath=~/.ssh/dllm-studio-%C", "-o", "ControlPersist=60")
SQUEUE = ("squeue", "--me", "--noheader", "--states=all", "--format=%i|%j|%T|%r")

WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"})
OVER = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"),
        *("OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"),
    }
)


class SlurmError(ResourceError):
    """A command of Slurm failed. `away`: the controller did not answer, so nothing is known."""

    def __init__(self, text: str, away: bool = False):
        super().__init__(text)
        self.away = away


@dataclass(frozen=True)
class QueuedJob:
    """One line of squeue. `state` is a long name: PENDING, RUNNING ..., `reason` why it waits or ended so."""

    id: str
    state: str
    reason: str

    @property
    def waits(self) -> bool:
        """Whether it stands in Slurm's queue."""
        return self.state in WAITING

    @property
    def over(self) -> bool:
        """Whether Slurm is done with it."""
        return self.state in OVER


@dataclass(frozen=True)
class View:
    """The newest answer: jobs by name. `taken` is on the monotonic clock; `problem`: it failed since."""

    taken: float = 0.0
    jobs: Mapping[str, QueuedJob] = field(default_factory=dict)
    problem: str = ""

    @property
    def known(self) -> bool:
        """Whether it says how things are now."""
        return not self.problem and self.taken > 0 and time.monotonic() - self.taken < STALE_SECONDS


class SlurmQueue:
    """The commands of one cluster. `look` never waits: squeue is asked in a thread, every few seconds."""

    def __init__(self, host: str = "", seconds: float = QUEUE_SECONDS):
        self.host, self.seconds = host, seconds
        self._view = View()
        self._asked = -math.inf
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def look(self) -> View:
        """What is known; a newer answer is fetched meanwhile."""
        with self._lock:
            busy = self._thread is not None and self._thread.is_alive()
            if not busy and time.monotonic() - self._asked >= self.seconds:
                self._asked = time.monotonic()
                self._thread = threading.Thread(target=self.ask, name="squeue", daemon=True)
                self._thread.start()
            return self._view

    def ask(self) -> View:
        """Ask now, and wait for the answer."""
        began = time.monotonic()  # what happens while it is asked may be missing in the answer
        try:
            view = View(began, parse(self.run([*SQUEUE])))
        except SlurmError as error:
            old = self._view
            view = View(old.taken, old.jobs, str(error))
            if not old.problem:
                log.warning("%s", error)
        self._view = view
        return view

    def run(self, argv: list[str]) -> str:
        """The output of one command. Raises: SlurmError."""
        words = [*SSH, *SSH_SHARED, self.host, shlex.join(argv)] if self.host else argv
        where = f" on {self.host}" if self.host else ""
        try:
            done = subprocess.run(
                words,
                env=clean(os.environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            missing = words[0]
            advice = "Install Slurm's commands, or name a login node in slurm.host."
            raise SlurmError(
                f"There is no {missing} here. {advice if not self.host else ''}".strip()
            ) from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SlurmError(f"{argv[0]}{where} did not answer: {error}.", away=True) from None
        if done.returncode == 0:
            return done.stdout
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise SlurmError(f"{argv[0]}{where}: {said}", away=_is_away(said, done.returncode, self.host))


def _is_away(said: str, code: int, host: str) -> bool:
    """Whether the controller could not be reached, or ssh (255) not the login node."""
    texts = ("Unable to contact slurm controller", "Socket timed out", "Zero Bytes were transmitted")
    return any(text in said for text in texts) or (bool(host) and code == 255)


def parse(text: str) -> dict[str, QueuedJob]:
    """Jobs by name from squeue's lines. Of a name that came twice the later one counts."""
    found = {}
    for line in text.splitlines():
        if line.count("|") >= 3:
            number, name, state, reason = line.split("|", 3)
            found[name] = QueuedJob(number.strip(), state.strip(), reason.strip())
    return found


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    """Our environment without what a batch job must not inherit: sbatch hands all of it on."""
    ours = {*FORBIDDEN, "CUDA_VISIBLE_DEVICES"}
    return {
        name: value
        for name, value in environ.items()
        if name not in ours and (not name.startswith(("SLURM_", "SBATCH_")) or name == "SLURM_CONF")
    }
