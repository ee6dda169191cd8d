"""What programs do to those who guard them. Each is called with the run, the word's value and the witness.

flood=N    writes N megabytes of lines to stderr
silent=1   ends with code 0 and without a word
hang=1     does nothing any more, for ever
half=N     begins a checkpoint and writes at it for N seconds, but never to its end; then dies by code 3
escape=1   leaves a grandchild: forked twice, in a session of its own, with an empty environment
breed=1    leaves a process that ignores SIGTERM and goes on forking
"""

import os
import sys
import time
from collections.abc import Callable

from jobs.protocol.folder import RunFolder
from tests.fakes.witness import Witness

LINE = b"x" * 99 + b"\n"
SLEEPER = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
BREEDER = (
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    "for _ in range(3000):\n"
    "    if os.fork(): os._exit(0)\n"  # always another pid, always an orphan
    "    time.sleep(0.1)"
)


def flood(run: RunFolder, megabytes: str, witness: Witness | None) -> None:
    for _ in range(int(megabytes) * 100):
        os.write(2, LINE * 100)
    print("flooded", flush=True)


def silent(run: RunFolder, value: str, witness: Witness | None) -> None:
    os._exit(0)


def hang(run: RunFolder, value: str, witness: Witness | None) -> None:
    while True:
        time.sleep(60)


def half(run: RunFolder, seconds: str, witness: Witness | None) -> None:
    folder = run.checkpoints / "checkpoint-1000000"
    folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + float(seconds)
    with open(folder / "model.safetensors", "wb") as file:
        while time.monotonic() < until:
            file.write(LINE)
            file.flush()
            time.sleep(0.05)
    sys.exit(3)


def _leave(source: str, env: dict[str, str], witness: Witness | None) -> None:
    """Start Python `source` as a daemon would: in a new session, its parent gone."""
    if pid := os.fork():
        os.waitpid(pid, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    if witness is not None:
        witness.tell(escaped=True)
    os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", source], env)


def escape(run: RunFolder, value: str, witness: Witness | None) -> None:
    _leave(SLEEPER, {}, witness)


def breed(run: RunFolder, value: str, witness: Witness | None) -> None:
    _leave(BREEDER, dict(os.environ), witness)


NASTY: dict[str, Callable[[RunFolder, str, Witness | None], None]] = {
    "flood": flood,
    "silent": silent,
    "hang": hang,
    "half": half,
    "escape": escape,
    "breed": breed,
}
