"""Hold models ready for the playground: `python -m jobs.programs.serve RUN_FOLDER`.

Listens on attempts/<n>/serve.sock: one JSON object a line, one request a connection, one reply.

    {"op": "generate", "request": ID, "model": FOLDER, "sampler": {...} | null, "seed": N, and one of
     "prompt": TEXT | "messages": [...] | "infill": TEXT with ____ ("blanks": masks for each) | "grid": TEXT;
     with the first two "constraints": {position after the prompt: token}, "prefix": TEXT, "suffix": TEXT;
     where messages have images "pictures": the only FOLDER in which they are looked for;
     "alone": true has it work with nothing beside it, so that its time is its own}
                                     -> {"ok": true, "request": ID}; it grows in samples/<ID>.jsonl
    {"op": "branch", "request": ID, "from": TRAJECTORY FILE, "step": k | null, "pins": {position: token},
     "remask": [positions], "sampler", "seed": the parent's unless given}   -> the same
    {"op": "pause", "request": ID}   -> {"ok": true}; the canvas stays as it is between two steps
    {"op": "resume", "request": ID}  -> {"ok": true}
    {"op": "cancel", "request": ID}  -> {"ok": true}; the trajectory ends with reason "cancelled"
    {"op": "status"}                 -> {"ok": true, "models": [...], "requests": [{request, model, state}]}
    {"op": "unload", "model": FOLDER}, {"op": "shutdown"} -> {"ok": true}
    {"op": "probe", "model": FOLDER} -> {"ok": true, what bfloat16 gains and changes: speedup, words ...}
    {"op": "load", "model": FOLDER, "dtype": "auto" | "float32" | "bfloat16"} -> {"ok": true} when it is held
    otherwise                        -> {"ok": false, "error": one sentence}

A causal model can be asked too; it writes from left to right.
Requests on one model run side by side: every pass of the model is a step of each. A second model is held
beside the first if it fits into memory, else its requests wait until those before them have ended.
"""

import sys
import threading
from typing import Any

from jobs.programs import device
from jobs.programs.process import Process, main
from jobs.programs.serving.desk import Desk
from jobs.programs.serving.line_socket import LineSocket
from jobs.programs.serving.models import Models
from jobs.programs.serving.requests import parse_dtype
from jobs.protocol.errors import SpecError
from jobs.specs.job import ServeSpec

POLL_SECONDS = 0.25  # between two looks at the stop file and the clock
OPS = ("generate", "branch", "pause", "resume", "cancel", "status", "unload", "probe", "load", "shutdown")
LEAVING_SECONDS = 30.0  # for the step that runs when the server is told to leave


def serve(process: Process) -> None:
    """Answer requests until told to stop, or until nobody has asked for `spec.idle_seconds`."""
    spec: ServeSpec = process.spec
    models = Models(device.pick(spec.launcher), spec.dtype, spec.compile)
    device.keep_freed_memory()
    desk = Desk(process, models, model_seconds=spec.idle_seconds)
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
            desk.check()
            if process.stop_requested():
                status = "stopped"
                break
    finally:
        door.close()
        desk.close(LEAVING_SECONDS)
    process.finish(status)


def _handle(request: dict[str, Any], desk: Desk, models: Models, leave: threading.Event) -> dict[str, Any]:
    """The reply to one request. Raises: StudioError, whose sentence is the reply."""
    op, name = str(request.get("op")), str(request.get("request"))
    if op == "generate":
        return {"request": desk.generate(request).id}
    if op == "branch":
        return {"request": desk.branch(request).id}
    if op == "cancel":
        desk.cancel(name)
    elif op in ("pause", "resume"):
        desk.pause(name, op == "pause")
    elif op == "status":
        return {"models": models.names(), "requests": desk.requests()}
    elif op == "unload":
        desk.unload(str(request.get("model")))
    elif op == "probe":
        return desk.probe(str(request.get("model"))).as_dict()
    elif op == "load":
        desk.load(str(request.get("model")), parse_dtype(request.get("dtype")))
    elif op == "shutdown":
        leave.set()
    else:
        raise SpecError(f"Unknown op {op!r}; known: {', '.join(OPS)}.")
    return {}


if __name__ == "__main__":
    sys.exit(main("serve", serve))
