"""Prepared data of the home: what there is, when it was last used, and how it is deleted."""

import fcntl
import os
import shutil
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from jobs.protocol.errors import ResourceError
from jobs.specs.data_files import LOCK, PREPARED, USED

GONE = ".removed-"  # begins the name of a folder that is being deleted


@dataclass(frozen=True)
class Preparation:
    """A folder that a prepare job, or a training, made. It can be made again from its source."""

    path: Path
    size_bytes: int
    last_used: float
    """When a job last read or wrote it; seconds since 1970."""


def preparations(root: Path) -> list[Preparation]:
    """All that lie in `root`, the longest unused first; nothing that does not bear our marks."""
    if not root.is_dir():
        return []
    ours = [path for path in root.iterdir() if _is_ours(path)]
    return sorted(
        (Preparation(path, _size(path), _last_used(path)) for path in ours), key=lambda p: p.last_used
    )


def delete(path: Path) -> None:
    """Delete one. Raises: ResourceError while a job reads or writes it."""
    with ExitStack() as held:
        if not all(_taken(path / name, held) for name in (LOCK, USED)):
            raise ResourceError(f"{path} is in use by a job.")
        aside = path.with_name(f"{GONE}{uuid.uuid4().hex[:8]}")
        os.rename(path, aside)  # at once, so that nobody meets half a folder
    shutil.rmtree(aside)


def _last_used(folder: Path) -> float:
    marks = [folder / name for name in (USED, PREPARED, LOCK)]
    return max((mark.stat().st_mtime for mark in marks if mark.exists()), default=folder.stat().st_mtime)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file() and not path.is_symlink())


def _is_ours(path: Path) -> bool:
    """It has the lock of whoever prepares it; a whole one has its manifest. What was cut short while it was
    being deleted counts too."""
    if path.is_symlink() or not path.is_dir() or path.lstat().st_uid != os.geteuid():
        return False
    return path.name.startswith(GONE) or any((path / name).is_file() for name in (LOCK, PREPARED))


def _taken(path: Path, held: ExitStack) -> bool:
    """Whether the lock could be taken; it is then kept as long as `held`."""
    file = held.enter_context(path.open("a"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
