"""Questions that take long: each is answered in a thread, and who asks again hears how far it is."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobs.protocol.errors import StudioError

KEPT = 32  # answers that are remembered

Report = Callable[[int], None]


class Left(Exception):
    """The process leaves; the answer is of no use any more."""


@dataclass
class Task:
    """One question."""

    rows: int = 0
    answer: dict[str, Any] | None = None
    error: str = ""

    def state(self) -> dict[str, Any]:
        """For who asked."""
        if self.error:
            return {"state": "failed", "error": self.error}
        if self.answer is None:
            return {"state": "running", "rows": self.rows}
        return {"state": "done", **self.answer}


class Tasks:
    """Every question is worked on once, whoever asks it how often."""

    def __init__(self) -> None:
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._lock = threading.Lock()
        self._leaving = threading.Event()

    def ask(self, key: str, work: Callable[[Report], dict[str, Any]]) -> dict[str, Any]:
        """The state of the question `key`, which `work` answers. A failed one is asked anew."""
        with self._lock:
            task = self._tasks.get(key)
            if task is None or task.error:
                failed = task.state() if task is not None else None
                if failed is not None:
                    del self._tasks[key]
                    return failed
                task = self._tasks[key] = Task()
                threading.Thread(target=self._work, args=(task, work), daemon=True).start()
            self._tasks.move_to_end(key)
            while len(self._tasks) > KEPT:
                self._tasks.popitem(last=False)
        return task.state()

    @property
    def busy(self) -> bool:
        """Whether any question is being worked on."""
        with self._lock:
            return any(not task.error and task.answer is None for task in self._tasks.values())

    def leave(self) -> None:
        """Let go of what is under way."""
        self._leaving.set()

    def _work(self, task: Task, work: Callable[[Report], dict[str, Any]]) -> None:
        def report(rows: int) -> None:
            task.rows = rows
            if self._leaving.is_set():
                raise Left

        try:
            task.answer = work(report)
        except StudioError as error:
            task.error = str(error)
        except Left:
            task.error = "The process that looks at data left; ask again."
        except Exception as error:  # noqa: BLE001 - the edge of a thread: who asked must hear of it
            task.error = f"An error in the program ({type(error).__name__}: {error})."
