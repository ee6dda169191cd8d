"""Look at data for the page: `python -m jobs.programs.inspect RUN_FOLDER`.

Listens on attempts/<n>/serve.sock: one JSON object a line, one question a connection, one answer. The
questions are those of jobs.specs.inspect, told apart by "op"; besides them {"op": "shutdown"}. `check` and
`statistics` answer at once with {"state": "running", "rows": so far} and are asked again.
"""

import sys
import threading
import time
from typing import Any

from jobs.data.checks.report import check_source
from jobs.data.load import opened
from jobs.programs.inspecting.looks import figures, preview
from jobs.programs.inspecting.pages import page
from jobs.programs.inspecting.tasks import Tasks
from jobs.programs.inspecting.versions import write_version
from jobs.programs.process import Process, main
from jobs.programs.serving.line_socket import LineSocket
from jobs.specs.data import DataSpec
from jobs.specs.inspect import Ask, CheckAsk, PreviewAsk, RowsAsk, StatisticsAsk, parse_ask
from jobs.specs.job import InspectSpec

POLL_SECONDS = 0.25  # between two looks at the stop file and the clock


def inspect(process: Process) -> None:
    """Answer questions until told to stop, or until nobody has asked for `spec.idle_seconds`."""
    spec: InspectSpec = process.spec
    tasks, leave = Tasks(), threading.Event()
    last = time.monotonic()

    def handle(words: dict[str, Any]) -> dict[str, Any]:
        nonlocal last
        last = time.monotonic()
        if words.get("op") == "shutdown":
            leave.set()
            return {}
        return answer(parse_ask(words), tasks)

    door = LineSocket(process.attempt.socket, handle)
    process.phase("ready")
    status = "succeeded"
    try:
        while not leave.is_set() and (tasks.busy or time.monotonic() - last < spec.idle_seconds):
            door.serve(POLL_SECONDS)
            if process.stop_requested():
                status = "stopped"
                break
    finally:
        tasks.leave()
        door.close()
    process.finish(status)


def answer(ask: Ask, tasks: Tasks) -> dict[str, Any]:
    """The answer to one question. Raises: StudioError, whose sentence is the answer."""
    if isinstance(ask, PreviewAsk):
        return preview(ask)
    if isinstance(ask, RowsAsk):
        return page(ask)
    if isinstance(ask, CheckAsk):
        return tasks.ask(_key(ask, ask.data), lambda report: check_source(ask.data, report).data())
    if isinstance(ask, StatisticsAsk):
        return tasks.ask(_key(ask, ask.data), lambda report: figures(ask, report))
    return write_version(ask)


def _key(ask: Ask, data: DataSpec) -> str:
    """The same for the same question on the same bytes."""
    files = [path for _, source in opened(data) for path in source.files]
    stamps = [(stat.st_mtime_ns, stat.st_size) for stat in (path.stat() for path in files if path.exists())]
    return f"{ask.model_dump_json()} {stamps}"


if __name__ == "__main__":
    sys.exit(main("inspect", inspect))
