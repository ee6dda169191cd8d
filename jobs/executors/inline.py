"""Attempts as plain function calls, for tests of what lies above: no processes, no waiting."""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence

from jobs import launch
from jobs.executors.base import Liveness
from jobs.protocol.folder import AttemptFolder, RunFolder, read_facts, write_json
from jobs.specs.job import JobSpec

Program = Callable[[RunFolder, AttemptFolder], int]


class InlineExecutor:
    """Calls `functions[kind](run, attempt)` inside submit and writes exit.json from what it returns."""

    name = "inline"

    def __init__(self, functions: Mapping[str, Program] | None = None):
        self.functions = dict(functions or {})
        self.programs: Mapping[str, str] = launch.PROGRAMS

    def command(
        self, spec: JobSpec, run: RunFolder, devices: Sequence[str] = (), port: int | None = None
    ) -> list[str]:
        return launch.command(spec, run, devices, port, programs=self.programs)

    def submit(self, run: RunFolder, attempt: int, devices: Sequence[str], port: int | None = None) -> None:
        folder = run.attempt(attempt)
        write_json(folder.run_json, {"executor": self.name, "devices": list(devices), "port": port})
        started = time.time()
        try:
            code = self.functions[run.spec()["kind"]](run, folder)
        except Exception:  # noqa: BLE001 - the edge of the program: its errors are its exit code
            folder.log.write_text(traceback.format_exc(), encoding="utf-8")
            code = 1
        lines = folder.log.read_text(encoding="utf-8").splitlines()[-30:] if folder.log.exists() else []
        end = {"code": code, "signal": None, "stopped": folder.stop_requested(), "last_lines": lines}
        write_json(folder.exit_json, end | {"started_at": started, "ended_at": time.time()})

    def poll(self, run: RunFolder, attempt: int) -> Liveness:
        folder = run.attempt(attempt)
        return Liveness(False, read_facts(folder.exit_json), started=folder.run_json.exists())

    def stop(self, run: RunFolder, attempt: int, grace_seconds: float) -> None:
        run.attempt(attempt).request_stop()

    def adopt(self, run: RunFolder, attempt: int) -> None:
        raise NotImplementedError("nothing lives on without its caller here")

    def abandon(self, run: RunFolder, attempt: int) -> bool:
        return not run.attempt(attempt).run_json.exists()
