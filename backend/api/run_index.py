"""What is kept of each run's events.jsonl for a page that opens: read once, by offset, never again."""

import threading
from collections import OrderedDict, deque
from pathlib import Path
from typing import Any

from jobs.protocol.events import read_events

KEPT_RUNS = 64
KEPT = 500  # newest samples, notes, checkpoints and metric events of a run

News = dict[str, Any]


class RunIndex:
    """One run's samples, checkpoints, notes, and the newest points, which the database may not have yet."""

    def __init__(self, path: Path):
        self.path = path
        self.offset = 0
        self.events: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.points: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.tries: dict[str, int] = {}  # attempt -> step of its first figures
        self._lock = threading.Lock()

    def advance(self) -> None:
        """Read what was appended."""
        with self._lock:
            while True:
                before = self.offset
                for offset, event in read_events(self.path, before):
                    self.offset = offset
                    if event.get("event") in LISTS:
                        self.events.append(event)
                    elif event.get("event") in ("metrics", *LEVELS):
                        self.points.append(event)
                        note_try(self.tries, event)
                if self.offset == before:
                    return


class RunIndexes:
    """The indexes of the runs that were looked at last."""

    def __init__(self) -> None:
        self._indexes: OrderedDict[Path, RunIndex] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, path: Path) -> RunIndex:
        """The index of an events file, up to date."""
        with self._lock:
            index = self._indexes.setdefault(path, RunIndex(path))
            self._indexes.move_to_end(path)
            while len(self._indexes) > KEPT_RUNS:
                self._indexes.popitem(last=False)
        index.advance()
        return index


LEVELS = ("levels", "validation_levels")  # events of losses by noise level, and their keys in the message
LISTS = {"sample": "samples", "checkpoint": "checkpoints", "note": "notes"}  # event -> key of the message


def news(events: list[dict[str, Any]]) -> News:
    """Events as the keys of a message: metrics as series, `tries` as the step at which each attempt has its
    first figures among these, the rest as lists; phases and progress left out."""
    found: News = {}
    for event in events:
        kind = event.get("event")
        if kind == "metrics" and isinstance(event.get("values"), dict):
            for name, value in event["values"].items():
                found.setdefault("metrics", {}).setdefault(name, []).append([event.get("step"), value])
            note_try(found.setdefault("tries", {}), event)
        elif kind in LEVELS:
            level = {key: event.get(key) for key in ("step", "loss", "count")}
            found.setdefault(kind, []).append(level)
        elif kind in LISTS:
            item = {key: value for key, value in event.items() if key != "event"}
            found.setdefault(LISTS[kind], []).append(item)
    return found


def note_try(tries: dict[str, int], event: dict[str, Any]) -> None:
    """Note where an attempt begins, at the first event with a step of it."""
    attempt, step = event.get("attempt"), event.get("step")
    if isinstance(attempt, int) and isinstance(step, int):
        tries.setdefault(str(attempt), step)


def with_newest(series: dict[str, list], levels: dict[str, list], points: list[dict[str, Any]]) -> News:
    """The database's curves with the points that it has not taken in yet."""
    newest = news(points)
    for name, fresh in newest.get("metrics", {}).items():
        known = series.setdefault(name, [])
        last = known[-1][0] if known else -1
        known += [point for point in fresh if point[0] > last]
    found: News = {"metrics": series}
    for kind in LEVELS:
        known = levels.get(kind, [])
        last = known[-1]["step"] if known else -1
        fresh = [level for level in newest.get(kind, []) if level["step"] > last]
        found[kind] = thinned(known + fresh)
    return found


def thinned(items: list, most: int = 200) -> list:
    """At most about `most` of them, evenly, the last one always."""
    stride = max(1, -(-len(items) // most))
    return items[::-1][::stride][::-1]
