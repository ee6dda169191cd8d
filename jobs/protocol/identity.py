"""Who a process is: pid + start ticks + boot id. A pid alone is reused and must never be signalled."""

import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

COOKIE = "DLLM_STUDIO_COOKIE"  # environment variable that marks every process of one attempt


def boot_id() -> str:
    """This boot of this machine; a process recorded under another one is dead."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def _stat(pid: int) -> tuple[str, int, int] | None:
    """(state letter, start ticks, wait status) of a process, or None where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command name may hold blanks and brackets: fields are counted after its last bracket.
    fields = text[text.rindex(")") + 2 :].split()
    return fields[0], int(fields[19]), int(fields[49])


@dataclass(frozen=True)
class ProcessIdentity:
    """A process that cannot be mistaken for a later one with the same pid."""

    pid: int
    start_ticks: int
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity | None":
        """The identity of a living process, None if there is none (zombies count as dead)."""
        stat = _stat(pid)
        if stat is None or stat[0] in "ZX":
            return None
        return cls(pid, stat[1], boot_id())

    @classmethod
    def even_dead(cls, pid: int) -> "ProcessIdentity | None":
        """The same, of one too that has ended and that its parent has yet to reap."""
        stat = _stat(pid)
        return None if stat is None else cls(pid, stat[1], boot_id())

    @classmethod
    def from_dict(cls, data: dict) -> "ProcessIdentity":
        return cls(int(data["pid"]), int(data["start_ticks"]), str(data["boot_id"]))

    def to_dict(self) -> dict:
        return asdict(self)

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return ProcessIdentity.of(self.pid) == self

    def wait_status(self) -> int | None:
        """How it ended, as waitpid would say it; None unless its parent has yet to ask."""
        stat = _stat(self.pid)
        if stat is None or stat[0] != "Z" or ProcessIdentity.even_dead(self.pid) != self:
            return None
        return stat[2]

    def signal(self, number: int) -> bool:
        """Send a signal, but only to this very process and never to pid 0 or 1. True if it was sent."""
        if self.pid < 2 or not self.is_alive():
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> bool:
        """SIGKILL, under the same guard as `signal`."""
        return self.signal(signal.SIGKILL)


def processes_with_cookie(cookie: str) -> list[ProcessIdentity]:
    """Every living process whose environment carries this attempt's cookie, the caller left out."""
    mark = f"{COOKIE}={cookie}".encode()
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = Path(entry.path, "environ").read_bytes()
        except OSError:
            continue  # gone, or another user's
        if mark in environment.split(b"\0"):
            identity = ProcessIdentity.of(int(entry.name))
            if identity is not None:
                found.append(identity)
    return found
