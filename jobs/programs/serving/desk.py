"""The desk: takes requests, lets them begin in the order in which they came, and works on all that began."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import Any

from jobs.models.checkpoint import Checkpoint, Dtype
from jobs.programs import device
from jobs.programs.branching import Branch, branch_canvas, source_start
from jobs.programs.generation import Generation, make_canvas, open_lines, warm_up
from jobs.programs.precision import Precision, probe
from jobs.programs.process import Process
from jobs.programs.serving.batch import Batch, Work, explain
from jobs.programs.serving.models import Models, free_memory
from jobs.programs.serving.requests import Request, parse_branch, parse_request
from jobs.protocol.errors import JobError
from jobs.protocol.trajectory import append_end, encode
from jobs.specs.samplers.presets import chosen

MOST_AT_WORK = 64  # requests that have begun and not ended; each holds an open file and a canvas
LOOK_SECONDS = 10.0  # between two looks at models that nobody uses
EVICTED = "It was paused, and another model needed the memory. Branch off its last step to go on."


class Desk:
    """Requests from their arrival to the end of their trajectory files. One thread, the worker, does all that
    touches models; the others put requests into line and set marks that the worker reads between two passes.
    """

    def __init__(self, process: Process, models: Models, model_seconds: float = float("inf")):
        self.process = process
        self.models = models
        self.model_seconds = model_seconds
        self.last_used = time.monotonic()
        self._line: deque[Request] = deque()  # not begun yet
        self._known: dict[str, Request] = {}  # queued, running or paused
        self._batches: list[Batch] = []
        self._chores: deque[Callable[[], bool]] = deque()  # a False: not yet, ask again
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._failure: Exception | None = None
        self._worker = threading.Thread(target=self._work, name="worker", daemon=True)
        process.run.samples.mkdir(exist_ok=True)

    # What the door asks of it.

    def start(self) -> None:
        self._worker.start()

    def close(self, seconds: float) -> None:
        """Cancel everything and wait for the worker, at most so long."""
        with self._lock:
            known = list(self._known.values())
        for request in known:
            with contextlib.suppress(JobError):  # it ended just now
                self.cancel(request.id)
        self._closing = True
        self._wake.set()
        if self._worker.ident is not None:
            self._worker.join(seconds)

    def check(self) -> None:
        """Raises: whatever ended the worker, without whom nobody would be answered."""
        if self._failure is not None:
            raise self._failure

    def idle_seconds(self) -> float:
        """How long nothing has moved; paused requests do not keep the server."""
        with self._lock:
            at_rest = all(request.paused for request in self._known.values()) and not self._chores
            return time.monotonic() - self.last_used if at_rest else 0.0

    def requests(self) -> list[dict[str, str]]:
        with self._lock:
            return [{"request": r.id, "model": r.model, "state": r.state} for r in self._known.values()]

    def generate(self, given: Mapping[str, Any]) -> Request:
        """Put a new text into line. Raises: SpecError, JobError."""
        return self._queue(parse_request(given))

    def branch(self, given: Mapping[str, Any]) -> Request:
        """Put a branch of an older text into line. Raises: SpecError, JobError."""
        return self._queue(parse_branch(given))

    def cancel(self, request_id: str) -> None:
        """Stop a request before its next step. Raises: JobError where it is not under way."""
        with self._lock:
            request = self._find(request_id)
            request.cancelled.set()
            if not request.begun:
                self._line.remove(request)
                del self._known[request_id]
                append_end(self.process.run.sample(request_id), "cancelled")
        self._wake.set()

    def pause(self, request_id: str, paused: bool = True) -> None:
        """Hold a request before its next step, or let it go on.

        Raises: JobError where it is not under way.
        """
        with self._lock:
            self._find(request_id).paused = paused
            self.last_used = time.monotonic()
        self._wake.set()

    def preload(self, model: str) -> None:
        """Have a model in memory before the first request."""
        self._chores.append(lambda: self._preload(model))
        self._wake.set()

    def unload(self, model: str) -> None:
        """Give a model's memory back, after the requests that have begun on it."""
        self._chores.append(lambda: self._unload(model))
        self._wake.set()

    def probe(self, model: str) -> Precision:
        """What a model gains and loses in bfloat16; all requests wait for these few passes.

        Raises: JobError where it cannot be told.
        """
        return self._have_done(lambda: self._probe(model))

    def load(self, model: str, dtype: Dtype) -> None:
        """Hold a model in a number format, after the requests that have begun on it. Raises: JobError."""
        self._have_done(lambda: self._load_as(model, dtype))

    def _have_done(self, work: Callable[[], Any]) -> Any:
        """What the worker returns from `work`, between two passes; a None: not yet, ask again.

        Raises: JobError with the sentence of what went wrong.
        """
        done: Future[Any] = Future()

        def chore() -> bool:
            try:
                result = work()
            except Exception as error:  # noqa: BLE001 - told to the one who asked, below
                done.set_exception(error)
                return True
            if result is not None:
                done.set_result(result)
            return result is not None

        self.last_used = time.monotonic()
        self._chores.append(chore)
        self._wake.set()
        while not wait([done], LOOK_SECONDS).done:
            if self._closing:
                raise JobError("The model server is leaving.")
        if (error := done.exception()) is not None:
            raise JobError(explain(error)) from error
        return done.result()

    def _find(self, request_id: str) -> Request:
        if request_id not in self._known:
            raise JobError(f"No request {request_id!r} is waiting or running.")
        return self._known[request_id]

    def _queue(self, request: Request) -> Request:
        path = self.process.run.sample(request.id)
        with self._lock:
            if request.id in self._known or (path.exists() and path.stat().st_size > 0):
                raise JobError(f"There is already a request {request.id!r}; take a new id.")
            path.touch(mode=0o600)  # so that it can be tailed at once
            self._known[request.id] = request
            self._line.append(request)
            self.last_used = time.monotonic()
        self._wake.set()
        return request

    # What the worker does.

    def _work(self) -> None:
        try:
            self._work_until_closed()
        except Exception as error:  # noqa: BLE001 - the edge of the thread: `check` raises it where it is heard
            self._failure = error

    def _work_until_closed(self) -> None:
        while not self._closing:
            self._wake.clear()
            for _ in range(len(self._chores)):
                if not (chore := self._chores.popleft())():
                    self._chores.append(chore)
            if not self._chores:  # whoever comes after a model was told to leave waits until it has left
                self._admit()
            moved = [batch for batch in self._batches if batch.moves]
            for batch in moved:
                self.process.phase("unmasking")
                self._forget(batch.step(free_memory(self.models.where)))
            self._batches = [batch for batch in self._batches if batch.works]
            if not moved:
                self.process.phase("ready")
                self.models.release(self.model_seconds, busy=self._busy())
                self._wake.wait(LOOK_SECONDS)
        for batch in self._batches:
            for work in batch.works:
                work.end("cancelled")

    def _admit(self) -> None:
        """Let requests begin, in the order in which they came. The first whose model has no room beside those
        at work holds up all others: so it gets its turn."""
        while sum(len(batch.works) for batch in self._batches) < MOST_AT_WORK:
            with self._lock:
                request = self._line[0] if self._line else None
            if request is None or self._must_wait(request):
                return
            try:
                if not self._has_room(request.model):
                    return
                loaded = self._load(request.model)
            except Exception as error:  # noqa: BLE001 - one request's failure must not take the server down
                self._refuse(request, error)
                continue
            with self._lock:
                if request.cancelled.is_set():  # while its model was loaded
                    continue
                self._line.popleft()
                request.begun = True
            self._begin(request, loaded)

    def _must_wait(self, request: Request) -> bool:
        """Whether it wants to be alone and is not, or one at work does. Paused ones are in nobody's way."""
        moving = [work for batch in self._batches for work in batch.works if work.moves]
        return bool(moving) and (request.alone or any(work.request.alone for work in moving))

    def _has_room(self, model: str) -> bool:
        """Whether a model is held or can be. Paused requests on other models give way."""
        if self.models.fits(model, self._busy()):
            return True
        moving = {batch.model for batch in self._batches if any(w.moves for w in batch.works)}
        if not self.models.fits(model, moving):
            return False
        for batch in self._batches:
            if batch.model not in moving and batch.model != model:
                for work in batch.works:
                    work.end("cancelled", EVICTED)
                self._forget([work.request for work in batch.works])
                batch.works.clear()
        self._batches = [batch for batch in self._batches if batch.works]
        return True

    def _busy(self) -> set[str]:
        return {batch.model for batch in self._batches}

    def _load(self, model: str) -> Checkpoint:
        if model not in self.models.names():
            self.process.phase("loading the model")
        return self.models.get(model, self._busy())

    def _begin(self, request: Request, loaded: Checkpoint) -> None:
        with contextlib.ExitStack() as closing:
            try:
                file = closing.enter_context(open_lines(self.process.run.sample(request.id)))
                work = Work(request, self._generation(request, loaded, file.write), file)
                work.generation.tell()
            except Exception as error:  # noqa: BLE001 - one request's failure must not take the server down
                self._refuse(request, error)
                return
            closing.pop_all()  # it stays open while the request is at work
        batch = next((b for b in self._batches if b.loaded is loaded), None)
        if batch is None:
            batch = Batch(request.model, loaded)
            self._batches.append(batch)
        batch.works.append(work)

    def _generation(self, request: Request, loaded: Checkpoint, write: Callable[[str], Any]) -> Generation:
        sampler, wanted, parent = chosen(loaded.config, request.sampler), request.wanted, None
        if isinstance(wanted, Branch):
            canvas, parent = branch_canvas(wanted, loaded)
            shown = source_start(wanted.source)["prompt"]
        else:
            canvas, shown = make_canvas(wanted, loaded, sampler), wanted.shown
        if request.alone:  # whoever is first does not pay for what a first pass sets up
            warm_up(loaded, canvas)
        return Generation(
            loaded,
            shown,
            canvas,
            sampler,
            lambda line: write(encode(line)),
            request=request.id,
            model=request.model,
            seed=request.seed,
            parent=parent,
        )

    def _refuse(self, request: Request, error: Exception) -> None:
        with self._lock:
            if request.id not in self._known:  # cancelled just now
                return
            if not request.begun:
                self._line.remove(request)
        with contextlib.suppress(OSError):  # a full disk must not take the server down
            append_end(self.process.run.sample(request.id), "error", explain(error))
        self._forget([request])

    def _forget(self, ended: list[Request]) -> None:
        with self._lock:
            for request in ended:
                self._known.pop(request.id, None)
                self.last_used = time.monotonic()

    def _preload(self, model: str) -> bool:
        try:
            self._load(model)
        except Exception as error:  # noqa: BLE001 - the server lives on; the next request says it again
            self.process.note(f"{model} could not be loaded: {explain(error)}", "warning")
        return True

    def _probe(self, model: str) -> Precision:
        loaded = self._load(model)
        self.process.phase("comparing float32 and bfloat16")
        busy = {*self._busy(), model}
        full, half = (self.models.beside(model, dtype, busy) for dtype in ("float32", "bfloat16"))
        try:
            return probe(full, half)
        finally:
            del loaded, full, half
            device.give_memory_back(self.models.where)

    def _load_as(self, model: str, dtype: Dtype) -> bool | None:
        if model in self._busy():
            return None
        self.models.choose(model, dtype)
        self._load(model)
        return True

    def _unload(self, model: str) -> bool:
        if model in self._busy():
            return False
        self.models.unload(model)
        return True
