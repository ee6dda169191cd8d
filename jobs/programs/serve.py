"""Hold models ready for the playground: `python -m jobs.programs.serve RUN_FOLDER`.

Listens on attempts/<n>/serve.sock: one JSON object a line, one request a connection, one reply.

    {"op": "generate", "request": ID, "model": FOLDER, "sampler": {...} | null, "seed": N, and one of
     "prompt": TEXT | "messages": [...] | "infill": TEXT with ____ ("blanks": masks for each) | "grid": TEXT}
                                     -> {"ok": true, "request": ID}; it grows in samples/<ID>.jsonl
    {"op": "cancel", "request": ID}  -> {"ok": true}; the trajectory ends with reason "cancelled"
    {"op": "status"}                 -> {"ok": true, "models": [...], "requests": [{request, model, state}]}
    {"op": "unload", "model": FOLDER}, {"op": "shutdown"} -> {"ok": true}
    otherwise                        -> {"ok": false, "error": one sentence}
"""

import sys
import threading
from typing import Any

from jobs.programs import device
from jobs.programs.process import Process, main
from jobs.programs.serving.desk import Desk
from jobs.programs.serving.line_socket import LineSocket
from jobs.programs.serving.models import Models
from jobs.protocol.errors import SpecError
from jobs.specs.job import ServeSpec

POLL_SECONDS = 0.25  # between two looks at the stop file and the clock
LEAVING_SECONDS = 30.0  # for the step that runs when the server is told to leave


def serve(process: Process) -> None:
    """Answer requests until told to stop, or until nobody has asked for `spec.idle_seconds`."""
    spec: ServeSpec = process.spec
    models = Models(device.pick(spec.launcher), spec.dtype)
    desk = Desk(process, models)
    leave = threading.Event()
    door = LineSocket(process.attempt.socket, lambda request: _handle(request, desk, models, leave))
    desk.start()
    process.phase("ready")
    if spec.model is not None:
        desk.preload(spec.model)
    status = "succeeded"
    try:
        while not leave.is_set() and desk.idle_seconds() < spec.idle_seconds:
            door.serve(POLL_SECONDS)
            if process.stop_requested():
                status = "stopped"
                break
    finally:
        door.close()
        desk.close(LEAVING_SECONDS)
    process.finish(status)


def _handle(request: dict[str, Any], desk: Desk, models: Models, leave: threading.Event) -> dict[str, Any]:
    """The reply to one request. Raises: StudioError, whose sentence is the reply."""
    op = request.get("op")
    if op == "generate":
        return {"request": desk.submit(request).id}
    if op == "cancel":
        desk.cancel(str(request.get("request")))
    elif op == "status":
        return {"models": models.names(), "requests": desk.requests()}
    elif op == "unload":
        desk.unload(str(request.get("model")))
    elif op == "shutdown":
        leave.set()
    else:
        raise SpecError(f"Unknown op {op!r}; known: generate, cancel, status, unload, shutdown.")
    return {}


if __name__ == "__main__":
    sys.exit(main("serve", serve))
