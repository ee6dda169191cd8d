"""Trajectory files as the list of recent samples shows them."""

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from jobs.protocol.folder import RUN_ID, RunFolder

TAIL_BYTES = 65536
PROMPT_CHARACTERS = 400


class SampleView(BaseModel):
    """One request to the playground."""

    model_config = ConfigDict(frozen=True)

    request: str
    job_id: str
    path: str
    model: str = ""
    prompt: str = ""
    sampler: dict[str, Any] = {}
    seed: int | None = None
    parent: dict[str, Any] | None = None
    time: float = 0.0
    done: bool = False
    reason: str = ""
    nfe: int | None = None
    seconds: float | None = None


def recent_files(runs_root: Path, n: int) -> list[Path]:
    """Trajectory files of serve runs, newest first."""
    if not runs_root.is_dir():
        return []
    runs = [p for p in runs_root.iterdir() if p.name.startswith("serve-") and RUN_ID.match(p.name)]
    found: list[tuple[float, Path]] = []
    for run in runs:
        folder = RunFolder(run).samples
        if folder.is_dir():
            found += [(entry.stat().st_mtime, Path(entry.path)) for entry in os.scandir(folder)]
    found = [item for item in found if item[1].suffix == ".jsonl"]
    return [path for _, path in sorted(found, reverse=True)[: max(0, n)]]


def read_view(path: Path) -> SampleView:
    """The view of a file, read again only when it has grown."""
    stat = path.stat()
    return _view(path, stat.st_mtime, stat.st_size)


def answer(path: Path) -> str:
    """What a request wrote; empty until it has finished, or if it did not."""
    try:
        last = _last_line(path)
    except FileNotFoundError:
        return ""
    return str(last.get("text", "")) if last.get("reason") == "finished" else ""


def ends(path: Path) -> bool:
    """Whether a trajectory has its end line."""
    try:
        return _last_line(path).get("type") == "end"
    except FileNotFoundError:
        return False


def read_start(path: Path) -> dict[str, Any]:
    """The start line of a trajectory; empty where it has not begun."""
    try:
        with open(path, "rb") as file:
            return _object(file.readline())
    except FileNotFoundError:
        return {}


@lru_cache(maxsize=512)
def _view(path: Path, modified: float, size: int) -> SampleView:
    start = read_start(path)
    last = _last_line(path)
    done = last.get("type") == "end"
    return SampleView(
        request=path.stem,
        job_id=path.parent.parent.name,
        path=str(path),
        model=str(start.get("model", "")),
        prompt=str(start.get("prompt", ""))[:PROMPT_CHARACTERS],
        sampler=start.get("sampler") or {},
        seed=start.get("seed"),
        parent=start.get("parent"),
        time=modified,
        done=done,
        reason=str(last.get("reason", "")) if done else "",
        nfe=last.get("nfe"),
        seconds=last.get("seconds"),
    )


def _last_line(path: Path) -> dict[str, Any]:
    """The last whole line; an end line longer than the tail is read whole."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        reach = TAIL_BYTES
        while True:
            file.seek(max(0, size - reach))
            data = file.read(reach)
            head, newline, _ = data.rpartition(b"\n")
            _, cut, line = head.rpartition(b"\n")
            if not newline:
                line = b""
            if cut or reach >= size:
                return _object(line)
            reach *= 8


def _object(line: bytes) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
