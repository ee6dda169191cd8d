"""Which processes belong to an attempt.

Those that carry its cookie, those below them (whatever they did to their environment), and those that were
seen to have thrown the cookie away (`strays`, in run.json). The anchor carries the cookie and is the parent
that orphans fall back to, so a program can only get away by clearing its environment, leaving its parent, and
outliving supervisor and anchor before the first has written it down.
"""

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jobs.protocol.identity import COOKIE, ProcessIdentity, processes_with_cookie


def has_cookie(pid: int, cookie: str) -> bool:
    """Whether the environment of a process holds this attempt's cookie."""
    try:
        return f"{COOKIE}={cookie}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """Pids of the direct children of a process of one thread, zombies included."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:  # gone, or a kernel without this file
        return _by_parent().get(pid, [])


def descendants(roots: Iterable[int]) -> list[ProcessIdentity]:
    """Every living process below one of `roots`."""
    by_parent = _by_parent()
    found, todo, seen = [], list(roots), set[int]()
    while todo:
        for pid in by_parent.get(todo.pop(), []):
            if pid not in seen:
                seen.add(pid)
                todo.append(pid)
                identity = ProcessIdentity.of(pid)
                if identity is not None:
                    found.append(identity)
    return found


def members(facts: Mapping[str, Any]) -> list[ProcessIdentity]:
    """Every living process of the attempt whose run.json says `facts`; the caller left out."""
    found = processes_with_cookie(str(facts["cookie"])) if facts.get("cookie") else []
    found += [stray for stray in strays(facts) if stray.is_alive()]
    below = descendants(identity.pid for identity in found)
    return [identity for identity in dict.fromkeys(found + below) if identity.pid != os.getpid()]


def strays(facts: Mapping[str, Any]) -> list[ProcessIdentity]:
    """Processes of the attempt that were seen without its cookie."""
    return [ProcessIdentity.from_dict(stray) for stray in facts.get("strays") or []]


def _by_parent() -> dict[int, list[int]]:
    """Pids by the pid of their parent."""
    found: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                text = Path(entry.path, "stat").read_text()
                parent = int(text[text.rindex(")") + 2 :].split()[1])
                found.setdefault(parent, []).append(int(entry.name))
    return found
