"""Requests: what they may hold, the queue, and the thread that answers one after the other."""

import contextlib
import json
import queue
import threading
import time
import traceback
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.programs import device
from jobs.programs.generation import (
    BLANKS,
    MODES,
    Ask,
    as_tensors,
    begin,
    make_canvas,
    preset,
    record,
    unmask,
)
from jobs.programs.process import Process, classify
from jobs.programs.serving.models import Models
from jobs.protocol.errors import JobError, SpecError, StudioError
from jobs.protocol.trajectory import encode

MAX_BLANKS = 1024
KEYS = {"op", "request", "model", "sampler", "seed", "blanks", *MODES}


@dataclass
class Request:
    """One request to generate."""

    id: str
    model: str
    ask: Ask
    sampler: dict | None
    seed: int
    state: str = "queued"
    cancelled: threading.Event = field(default_factory=threading.Event)


class Desk:
    """Takes requests and answers them in order, each into its own trajectory file."""

    def __init__(self, process: Process, models: Models):
        self.process = process
        self.models = models
        self.last_used = time.monotonic()
        self._queue: queue.Queue[Request | str | None] = queue.Queue()  # a str: a model to load
        self._waiting: dict[str, Request] = {}  # queued or running
        self._lock = threading.Lock()
        self._worker = threading.Thread(target=self._work, name="worker", daemon=True)
        self._closing = False
        self._unload: queue.Queue[str] = queue.Queue()
        process.run.samples.mkdir(exist_ok=True)

    def start(self) -> None:
        self._worker.start()

    def close(self, seconds: float) -> None:
        """Cancel everything and wait for the worker, at most so long."""
        self._closing = True
        with self._lock:
            waiting = list(self._waiting.values())
        for request in waiting:
            with contextlib.suppress(JobError):  # it ended just now
                self.cancel(request.id)
        self._queue.put(None)
        if self._worker.ident is not None:
            self._worker.join(seconds)

    def idle_seconds(self) -> float:
        with self._lock:
            return 0.0 if self._waiting or not self._queue.empty() else time.monotonic() - self.last_used

    def requests(self) -> list[dict[str, str]]:
        with self._lock:
            return [{"request": r.id, "model": r.model, "state": r.state} for r in self._waiting.values()]

    def preload(self, model: str) -> None:
        self._queue.put(model)

    def unload(self, model: str) -> None:
        """Give a model's memory back, after the request that runs now."""
        self._unload.put(model)
        self._queue.put("")  # wakes the worker

    def submit(self, given: dict[str, Any]) -> Request:
        """Check a request and put it into the queue. Raises: SpecError, JobError."""
        request = parse_request(given)
        path = self.process.run.sample(request.id)
        with self._lock:
            if request.id in self._waiting or (path.exists() and path.stat().st_size > 0):
                raise JobError(f"There is already a request {request.id!r}; take a new id.")
            path.touch(mode=0o600)  # so that it can be tailed at once
            self._waiting[request.id] = request
            self.last_used = time.monotonic()
        self._queue.put(request)
        return request

    def cancel(self, request_id: str) -> None:
        """Stop a request before its next step. Raises: JobError where it is not under way."""
        with self._lock:
            request = self._waiting.get(request_id)
            if request is None:
                raise JobError(f"No request {request_id!r} is waiting or running.")
            request.cancelled.set()
            if request.state == "queued":
                del self._waiting[request_id]
                end(self.process.run.sample(request_id), "cancelled")

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            while not self._unload.empty():
                self.models.unload(self._unload.get())
            if isinstance(item, str):
                if item:
                    self._preload(item)
                continue
            with self._lock:
                if item.id not in self._waiting:  # cancelled while it waited
                    continue
                item.state = "running"
            self._answer(item)
            with self._lock:
                self._waiting.pop(item.id, None)
                self.last_used = time.monotonic()
            self.process.phase("ready")

    def _preload(self, model: str) -> None:
        self.process.phase("loading the model")
        try:
            self.models.get(model)
        except StudioError as error:
            self.process.note(str(error), "warning")
        except Exception as error:  # noqa: BLE001 - the server lives on; the next request says it again
            traceback.print_exc()
            self.process.note(f"{model} could not be loaded: {error}", "warning")
        self.process.phase("ready")

    def _answer(self, request: Request) -> None:
        path = self.process.run.sample(request.id)
        try:
            self._generate(request, path)
        except StudioError as error:
            end(path, "error", str(error))
        except Exception as error:  # noqa: BLE001 - one request's failure must not take the server down
            traceback.print_exc()
            failure, remedy = classify(error)
            if failure == "memory":
                remedy = "Lower max_new_tokens, or stop other jobs on this device."
            end(path, "error", f"{type(error).__name__}: {error} {remedy}".strip())

    def _generate(self, request: Request, path: Path) -> None:
        def cancelled() -> bool:
            return request.cancelled.is_set() or self._closing

        if request.model not in self.models.names():
            self.process.phase("loading the model")
        loaded = self.models.get(request.model)
        device.use_threads_for(loaded.model)
        sampler = preset(loaded.config, request.sampler)
        canvas = make_canvas(request.ask, loaded, sampler)
        ids, mask, _ = as_tensors([canvas], loaded, sampler)
        trajectory = begin(
            loaded,
            request.ask,
            canvas,
            ids,
            sampler,
            request=request.id,
            model=request.model,
            seed=request.seed,
        )
        self.process.phase("unmasking")
        steps = unmask(loaded, ids, mask, sampler, request.seed, cancelled)
        record(path, trajectory, steps, cancelled)


def parse_request(given: dict[str, Any]) -> Request:
    """A generate request. Raises: SpecError with one sentence."""
    unknown = sorted(set(given) - KEYS)
    if unknown:
        raise SpecError(f"Unknown key {unknown[0]!r} in the request; known: {', '.join(sorted(KEYS))}.")
    modes = [mode for mode in MODES if given.get(mode) is not None]
    if len(modes) != 1:
        raise SpecError(f"Give exactly one of {', '.join(MODES)} (given: {', '.join(modes) or 'none'}).")
    content = given[modes[0]]
    wanted = list if modes[0] == "messages" else str
    if not isinstance(content, wanted) or (wanted is list and not content):
        raise SpecError(f"{modes[0]!r} must be {'a list of messages' if wanted is list else 'text'}.")
    model, sampler = given.get("model"), given.get("sampler")
    if not isinstance(model, str) or not model:
        raise SpecError("'model' must be the folder of a model.")
    if sampler is not None and not isinstance(sampler, dict):
        raise SpecError("'sampler' must be an object with the sampler's settings, or null.")
    if sampler is not None:
        preset_check(sampler)
    seed, blanks = given.get("seed", 0), given.get("blanks", BLANKS)
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise SpecError("'seed' must be a whole number from 0.")
    if not isinstance(blanks, int) or not 1 <= blanks <= MAX_BLANKS:
        raise SpecError(f"'blanks' must be a whole number from 1 to {MAX_BLANKS}.")
    request_id = given.get("request") or uuid.uuid4().hex
    return Request(str(request_id), model, Ask(modes[0], content, blanks), sampler, seed)


def preset_check(sampler: dict) -> None:
    """Refuse wrong sampler settings at once, before the request waits in the queue. Raises: SpecError."""
    preset(None, sampler)  # type: ignore[arg-type]  # a given sampler needs no checkpoint


def end(path: Path, reason: str, error: str | None = None) -> None:
    """The last line of a trajectory that has no canvas to tell of."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    nfe = next((json.loads(line)["nfe"] for line in reversed(lines) if '"nfe"' in line), 0)
    line = {
        "type": "end",
        "reason": reason,
        "nfe": nfe,
        "seconds": 0.0,
        "text": "",
        "texts": [],
        "error": error,
    }
    with open(path, "a", encoding="utf-8") as file:
        file.write(encode(line))
