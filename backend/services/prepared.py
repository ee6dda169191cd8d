"""The folder of prepared data kept within a size: the longest unused goes first, what is in use stays."""

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from jobs.specs.data_files import LOCK, PREPARED, USED

GONE = ".removed-"  # begins the name of a folder that is being removed


@dataclass
class Cleaned:
    """What a cleaning did. Bytes."""

    removed: list[str] = field(default_factory=list)  # names of folders
    freed: int = 0
    kept: int = 0
    in_use: list[str] = field(default_factory=list)  # folders that a job reads or writes now: they stay


def clean(root: Path, most_bytes: int, dry: bool = False) -> Cleaned:
    """Remove preparations from the home's prepared folder until it holds `most_bytes` at most. `dry`: only
    say what would go. All can be made again from their source."""
    done = Cleaned()
    folders = sorted((p for p in root.glob("*") if _is_ours(p)), key=last_used) if root.is_dir() else []
    sizes = {folder: size_of(folder) for folder in folders}
    total = sum(sizes.values())
    for folder in folders:
        if total <= most_bytes:
            break
        with ExitStack() as held:
            if not all(_taken(folder / name, held) for name in (LOCK, USED)):
                done.in_use.append(folder.name)
                continue
            if not dry:
                _remove(folder)
        done.removed.append(folder.name)
        done.freed += sizes[folder]
        total -= sizes[folder]
    done.kept = total
    return done


def last_used(folder: Path) -> float:
    """When a job last read the folder, or wrote it; seconds since 1970."""
    marks = [folder / name for name in (USED, PREPARED, LOCK)]
    return max((mark.stat().st_mtime for mark in marks if mark.exists()), default=folder.stat().st_mtime)


def size_of(folder: Path) -> int:
    """Bytes of its files."""
    return sum(file.stat().st_size for file in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.is_file() and not path.is_symlink())


def _is_ours(path: Path) -> bool:
    """Whether a prepare job made the folder: it has its lock, and whole ones have their manifest."""
    return path.is_dir() and not path.is_symlink() and any((path / n).is_file() for n in (LOCK, PREPARED))


def _taken(path: Path, held: ExitStack) -> bool:
    """Whether the lock could be taken; it is then kept as long as `held`."""
    file = held.enter_context(path.open("a"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove(folder: Path) -> None:
    """Out of the way at once, so that nobody meets half a folder."""
    aside = folder.with_name(f"{GONE}{uuid.uuid4().hex[:8]}")
    os.rename(folder, aside)
    shutil.rmtree(aside)
