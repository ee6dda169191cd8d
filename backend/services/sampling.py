"""Asks the playground's model server for texts. Whoever wants to see them tails the trajectory file.

The model lives in a `serve` job of its own. A request is handed over in the background, so that the page
gets its handle at once; whatever goes wrong becomes an `end` line in the file that everybody tails.
"""

import logging
import re
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from backend.services.job_view import JobView
from backend.services.jobs import JobService
from backend.services.model_server import Unreachable, ask
from backend.services.models import ModelService
from backend.services.question import Question, check_sampler, check_seed, of_model
from backend.services.samples import SampleView, answer, ends, read_start, read_view, recent_files
from jobs.protocol.errors import JobError, StudioError
from jobs.protocol.folder import REQUEST_ID, RunFolder
from jobs.protocol.states import TERMINAL, State
from jobs.protocol.trajectory import append_end
from jobs.specs.base import Spec
from jobs.specs.job import ServeSpec

log = logging.getLogger(__name__)

POLL_SECONDS, PATIENT_POLL_SECONDS = 0.1, 1.0  # between two tries to reach the server
SOON_SECONDS = 15.0  # after so long it is not about to start, but waits for a device
QUIET_SECONDS = 120.0
ANSWER_SECONDS = 600.0  # the server answers after loading a model, which may take minutes from a slow disk
FORGOTTEN = "The model server could not write this answer down; its disk may be full. Ask again."
USABLE = (State.QUEUED, State.STARTING, State.RUNNING)


class Handle(BaseModel):
    """What a page needs to follow one request."""

    model_config = ConfigDict(frozen=True)

    request: str
    job_id: str
    path: str
    phase: str


class SamplingService:
    """One model server for the playground, started when it is needed."""

    def __init__(self, jobs: JobService, models: ModelService, home: Path, idle_seconds: int = 900):
        self.jobs = jobs
        self.models = models
        self.runs_root = home / "runs"
        self.pictures = home / "pictures"
        self.idle_seconds = idle_seconds
        self._phases: dict[str, str] = {}  # requests on their way to the server
        self._runs: dict[str, str] = {}  # request -> run, where the id does not tell
        self._cancelled: set[str] = set()
        self._lock = threading.Lock()
        self._starting = threading.Lock()

    def generate(
        self,
        model: str,
        *,
        prompt: str | None = None,
        messages: list[dict[str, Any]] | None = None,
        infill: str | None = None,
        grid: str | None = None,
        blanks: int = 8,
        constraints: Mapping[int, str | int] | None = None,
        prefix: str = "",
        suffix: str = "",
        sampler: Spec | dict[str, Any] | None = None,
        seed: int = 0,
    ) -> Handle:
        """Ask for one text; returns before the model has even been loaded.

        What the words mean is said of Question. Without a sampler the model's own preset is used.

        Raises: ModelError, SpecError.
        """
        question = Question(
            prompt=prompt,
            messages=messages,
            infill=infill,
            grid=grid,
            blanks=blanks,
            constraints=constraints or {},
            prefix=prefix,
            suffix=suffix,
            seed=seed,
        )
        words = question.words(self.pictures)
        path, of_lane = of_model(self.models, model, sampler)
        return self.send([(path, {**words, **of_lane})])[0]

    def branch(
        self,
        request: str,
        *,
        step: int | None = None,
        pins: Mapping[int, str | int] | None = None,
        remask: Sequence[int] = (),
        sampler: Spec | dict[str, Any] | None = None,
        seed: int | None = None,
    ) -> Handle:
        """Ask for a text that begins where another one stood after its `step` (-1: before the first; None:
        as it stands now), with tokens pinned and others masked again. Positions count from the start of the
        canvas. Sampler and seed are the other's unless given.

        Raises: JobError where there is no such canvas; SpecError; ModelError where its model is gone.
        """
        source = self.find(request)
        start = read_start(source)
        if start.get("type") != "start":
            raise JobError(f"The sample {request} has no canvas to branch off.")
        if seed is not None:
            check_seed(seed)
        words = {"op": "branch", "from": str(source), "step": step, "remask": list(remask), "seed": seed}
        words |= {"pins": {str(position): token for position, token in (pins or {}).items()}}
        path = self.models.writer(str(start["model"]))
        words["sampler"] = check_sampler(sampler, self.models.get(str(path)))
        return self.send([(path, words)])[0]

    def send(self, asked: Sequence[tuple[Path, dict[str, Any]]]) -> list[Handle]:
        """Have words about models handed to a model server in their order, in the background."""
        handles = [self._handle(model) for model, _ in asked]
        with self._lock:
            self._phases |= {handle.request: handle.phase for handle in handles}
        given = [(handle, *words) for handle, words in zip(handles, asked, strict=True)]

        def deliver() -> None:
            for handle, model, words in given:
                self._deliver(handle.job_id, handle.request, model, words)

        threading.Thread(target=deliver, name=f"send {handles[0].request}", daemon=True).start()
        return handles

    def _handle(self, model: Path) -> Handle:
        job = self._server(model)
        request = f"{job.id}_{secrets.token_hex(4)}"
        phase = "starting the model server" if job.state != State.RUNNING else "sending"
        path = str(self._run(job.id).sample(request))
        return Handle(request=request, job_id=job.id, path=path, phase=phase)

    def warm(self, model: str) -> None:
        """Have a model server started, so that the first request need not wait for it. Raises: ModelError."""
        self._server(self.models.writer(model))

    def phase(self, request: str) -> str:
        """What a request is waiting for, as long as its trajectory has no line; empty after that."""
        if request in self._phases:
            return self._phases[request]
        path = self.find(request)
        if path.exists() and path.stat().st_size > 0:
            return ""
        try:
            job = self.jobs.get(path.parent.parent.name)
        except JobError:
            return ""
        return "waiting for its turn" if job.phase in (None, "", "ready", "unmasking") else str(job.phase)

    def cancel(self, request: str) -> bool:
        """Stop a request where it stands. False where it had ended before."""
        with self._lock:
            if request in self._phases:
                self._cancelled.add(request)
                return True
        path = self.find(request)
        if ends(path):
            return False
        run = path.parent.parent.name
        try:
            reply = self._ask(run, {"op": "cancel", "request": request}, timeout=10)
        except Unreachable:
            return self.settle(request)
        return bool(reply.get("ok"))

    def pause(self, request: str, paused: bool = True) -> None:
        """Hold a request between two steps, or let it go on.

        Raises: JobError where it is not under way.
        """
        path = self.find(request)
        try:
            op = "pause" if paused else "resume"
            reply = self._ask(path.parent.parent.name, {"op": op, "request": request}, timeout=10)
        except Unreachable:
            raise JobError("The model server does not answer; the sample may not have begun yet.") from None
        _agreed(reply)

    def find(self, request: str) -> Path:
        """The trajectory file of a request (it may not be there yet).

        Raises: JobError where no run can be its home.
        """
        if not REQUEST_ID.match(request):
            raise JobError(f"{request!r} is not a sample id.")
        run = self._runs.get(request) or request.rpartition("_")[0]
        if run and re.match(r"^[a-z]+-\d{4,}$", run) and (self.runs_root / run).is_dir():
            path = self._run(run).sample(request)
            if path.exists() or request in self._phases:
                return path
        for path in self.runs_root.glob(f"*/samples/{request}.jsonl"):
            return path
        if run and re.match(r"^[a-z]+-\d{4,}$", run) and (self.runs_root / run).is_dir():
            return self._run(run).sample(request)
        raise JobError(f"There is no sample {request!r}.")

    def is_lost(self, request: str) -> bool:
        """Whether nobody will ever answer: the web server was restarted before it handed the request over."""
        return request not in self._phases and not self.find(request).exists()

    def answer(self, request: str) -> str:
        """The text that a request wrote; empty until it has finished, or if it did not.

        Raises: JobError where there is no such request.
        """
        return answer(self.find(request))

    def settle(self, request: str) -> bool:
        """End the file of a request whose server is gone or has forgotten it. True if that was so."""
        if request in self._phases:
            return False
        path = self.find(request)
        if not path.exists():
            return False
        try:
            job = self.jobs.get(path.parent.parent.name)
            alive = job.state not in TERMINAL
        except JobError:  # a run without a row may still be writing
            job, alive = None, time.time() - path.stat().st_mtime < QUIET_SECONDS
        quiet = time.time() - path.stat().st_mtime
        if alive and (quiet < SOON_SECONDS or not self._forgotten(request, path)):
            return False
        with self._lock:
            if ends(path):
                return False
            append_end(path, "error", FORGOTTEN if alive else _ended(job))
        return True

    def _forgotten(self, request: str, path: Path) -> bool:
        """Whether a server that lives knows nothing of a request whose file has no end."""
        try:
            reply = self._ask(path.parent.parent.name, {"op": "status"}, timeout=2)
        except (Unreachable, StudioError):
            return False
        return all(known["request"] != request for known in reply.get("requests", []))

    def status(self) -> dict[str, Any]:
        """The serve job (None: there is none), the models it holds and the requests it knows."""
        job = self._usable()
        if job is None:
            return {"job": None, "models": [], "requests": []}
        try:
            reply = self._ask(job.id, {"op": "status"}, timeout=2)
        except Unreachable:
            reply = {}
        return {"job": job, "models": reply.get("models", []), "requests": reply.get("requests", [])}

    def unload(self, model: str) -> None:
        """Free a model's memory. Raises: JobError where no server runs, ModelError."""
        job = self._usable()
        if job is None:
            raise JobError("No model server is running.")
        try:
            reply = self._ask(job.id, {"op": "unload", "model": str(self.models.resolve(model))}, timeout=30)
        except Unreachable as error:
            raise JobError(f"The model server does not answer: {error}.") from None
        _agreed(reply)

    def tell(self, model: Path, words: dict[str, Any], timeout: float) -> dict[str, Any]:
        """The reply of the model server, which is started if there is none. Raises: JobError."""
        run, deadline = self._server(model).id, time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            if (job := self.jobs.get(run)).state in TERMINAL:
                raise JobError(_ended(job))
            try:
                reply = self._ask(run, words, left)
            except Unreachable:
                time.sleep(POLL_SECONDS)
                continue
            return _agreed(reply)
        raise JobError(f"The model server has not answered within {timeout:.0f} seconds.")

    def recent(self, n: int = 20) -> list[SampleView]:
        """The newest requests of the playground, newest first."""
        return [read_view(path) for path in recent_files(self.runs_root, n)]

    def _run(self, run: str) -> RunFolder:
        return RunFolder(self.runs_root / run)

    def _usable(self) -> JobView | None:
        jobs = self.jobs.list(states=[str(s) for s in USABLE], kinds=["serve"], limit=20)
        running = [job for job in jobs if job.state == State.RUNNING]
        return next(iter(running or jobs), None)

    def _server(self, model: Path) -> JobView:
        """The serve job that there is, or a new one. Two clicks at once must not start two."""
        with self._starting:
            return self._usable() or self.jobs.submit(
                ServeSpec(name="Playground", model=str(model), idle_seconds=self.idle_seconds)
            )

    def _deliver(self, run: str, request: str, model: Path, words: dict[str, Any]) -> None:
        """Hand a request over; runs in its own thread and turns every failure into an end line."""
        try:
            self._hand_over(run, request, model, words)
        except StudioError as error:
            self._fail(request, "error", str(error))
        except Exception:  # the edge of a thread: the page must hear of it
            log.exception("request %s could not be handed over", request)
            self._fail(request, "error", "The request could not be handed over; see the server's log.")
        finally:
            with self._lock:
                self._phases.pop(request, None)
                self._cancelled.discard(request)

    def _hand_over(self, run: str, request: str, model: Path, words: dict[str, Any]) -> None:
        retried, begun = False, time.monotonic()
        while True:
            if request in self._cancelled:
                return self._fail(request, "cancelled", None)
            job = self.jobs.get(run)
            if job.state in TERMINAL or job.state == State.STOPPING:
                # A server that left because it was idle is no failure: ask a new one, once.
                if retried or job.state in (State.FAILED, State.LOST):
                    raise JobError(_ended(job))
                retried = True
                run = self._server(model).id
                with self._lock:
                    self._runs[request] = run
                continue
            self._phases[request] = _waiting_for(job)
            try:
                reply = self._ask(run, {"request": request, **words}, ANSWER_SECONDS)
            except Unreachable:
                soon = time.monotonic() - begun < SOON_SECONDS
                time.sleep(POLL_SECONDS if soon else PATIENT_POLL_SECONDS)
                continue
            if not reply.get("ok"):
                raise JobError(str(reply.get("error", "the model server refused the request.")))
            return None

    def _ask(self, run: str, words: dict[str, Any], timeout: float) -> dict[str, Any]:
        attempt = self._run(run).latest_attempt()
        if attempt is None:
            raise Unreachable("it has not started yet")
        return ask(attempt.socket, words, timeout)

    def _fail(self, request: str, reason: str, error: str | None) -> None:
        path = self.find(request)
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            append_end(path, reason, error)


def _agreed(reply: dict[str, Any]) -> dict[str, Any]:
    """Raises: JobError with the server's sentence where it refused."""
    if not reply.get("ok"):
        raise JobError(str(reply.get("error", "the model server refused.")))
    return reply


def _ended(job: JobView | None) -> str:
    """What happened and what to do; the job is None where its row is gone."""
    reason = (job and job.reason) or ""
    return " ".join(f"The model server ended. {reason} Ask again: that starts a new one.".split())


def _waiting_for(job: JobView) -> str:
    if job.state == State.QUEUED:
        return f"waiting for the model server. {job.waiting or ''}".strip()
    return "starting the model server" if job.state == State.STARTING else "loading the model"
