"""Requests reach the model server, one server for all, and every failure ends in the trajectory file."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backend.services import sampling as services
from backend.services.models import ModelService
from backend.services.precision import PrecisionService
from backend.services.sampling import SamplingService
from jobs.programs.serving.line_socket import LineSocket
from jobs.protocol import trajectory
from jobs.protocol.errors import JobError, ModelError, SpecError
from jobs.protocol.folder import RunFolder
from jobs.protocol.states import State
from tests.fakes.model_folders import make_model
from tests.fakes.processes import until

START = {
    "type": "start",
    "version": 1,
    "model": "m",
    "prompt": "Once",
    "sampler": {"name": "llada"},
    "seed": 3,
}
END = {"type": "end", "reason": "finished", "nfe": 4, "seconds": 0.5, "text": "x", "texts": []}


class Jobs:
    """A JobService of serve jobs only; the test moves their states."""

    def __init__(self, runs: Path):
        self.runs = runs
        self.views: dict[str, Any] = {}

    def submit(self, spec: Any, request_id: str | None = None) -> Any:
        run = RunFolder.create(self.runs, spec.kind, spec.model_dump(mode="json"))
        run.new_attempt()
        view = SimpleNamespace(id=run.id, state=State.QUEUED, reason=None, waiting="Starts soon.", phase=None)
        self.views[run.id] = view
        return view

    def get(self, job_id: str) -> Any:
        if job_id not in self.views:
            raise JobError(f"There is no job {job_id!r}.")
        return self.views[job_id]

    def list(self, states: Any = None, kinds: Any = None, limit: int = 100) -> list[Any]:
        return [view for view in reversed(self.views.values()) if states is None or view.state in states]


class Server:
    """The serve program's socket, answering as `handle` says."""

    def __init__(self, run: RunFolder, handle=lambda request: {}):
        attempt = run.latest_attempt()
        assert attempt is not None
        self.heard: list[dict] = []
        self._handle, self._leave = handle, threading.Event()
        self._door = LineSocket(attempt.socket, self._answer)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _answer(self, request: dict) -> dict:
        self.heard.append(request)
        return self._handle(request)

    def _serve(self) -> None:
        while not self._leave.is_set():
            self._door.serve(0.02)

    def close(self) -> None:
        self._leave.set()
        self._thread.join()
        self._door.close()


@pytest.fixture
def jobs(studio_home: Path) -> Jobs:
    return Jobs(studio_home / "runs")


@pytest.fixture
def sampling(studio_home: Path, jobs: Jobs, tmp_path: Path) -> SamplingService:
    make_model(tmp_path / "assets" / "models" / "stories")
    models = ModelService(studio_home, tmp_path / "assets")
    return SamplingService(jobs, models, studio_home)  # type: ignore[arg-type]


@pytest.fixture
def serve(jobs: Jobs):
    servers = []

    def start(job_id: str, handle=lambda request: {}) -> Server:
        jobs.views[job_id].state = State.RUNNING
        servers.append(Server(RunFolder(jobs.runs / job_id), handle))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def last(sampling: SamplingService, request: str) -> dict:
    path = sampling.find(request)
    until(lambda: path.exists() and path.read_text().endswith("\n"))
    return trajectory.read(path)[-1]


def test_the_handle_comes_before_the_server(sampling: SamplingService, jobs: Jobs, serve):
    started = time.monotonic()
    handle = sampling.generate("stories", prompt="Once", seed=3, sampler={"steps": 8})
    assert time.monotonic() - started < 1 and handle.request.startswith(handle.job_id + "_")
    assert "model server" in sampling.phase(handle.request)
    until(lambda: "Starts soon" in sampling.phase(handle.request))
    server = serve(handle.job_id)
    heard = until(lambda: server.heard)[0]
    assert heard["op"] == "generate" and heard["request"] == handle.request and heard["seed"] == 3
    assert heard["prompt"] == "Once" and heard["sampler"]["steps"] == 8 and "blanks" not in heard
    assert Path(heard["model"]).name == "stories"
    until(lambda: handle.request not in sampling._phases)
    jobs.views[handle.job_id].phase = "loading the model"
    assert sampling.phase(handle.request) == "loading the model"


def test_one_server_for_many_requests(sampling: SamplingService, jobs: Jobs, serve):
    threads = [
        threading.Thread(target=sampling.generate, args=("stories",), kwargs={"prompt": "a"})
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(jobs.views) == ["serve-0001"]
    server = serve("serve-0001")
    until(lambda: len(server.heard) == 6)


def test_a_refusal_becomes_the_end_of_the_trajectory(sampling: SamplingService, serve):
    def refuse(request: dict) -> dict:
        raise SpecError("The prompt is too long.")

    handle = sampling.generate("stories", prompt="Once")
    serve(handle.job_id, refuse)
    end = last(sampling, handle.request)
    assert end["type"] == "end" and end["reason"] == "error" and end["error"] == "The prompt is too long."


def test_a_server_that_fails_to_start_is_told(sampling: SamplingService, jobs: Jobs):
    handle = sampling.generate("stories", prompt="Once")
    jobs.views[handle.job_id].reason = "Out of memory."
    jobs.views[handle.job_id].state = State.FAILED
    end = last(sampling, handle.request)
    assert end["reason"] == "error" and "Out of memory" in end["error"]


def test_a_server_that_had_left_is_replaced(sampling: SamplingService, jobs: Jobs, serve):
    handle = sampling.generate("stories", prompt="Once")
    jobs.views[handle.job_id].state = State.SUCCEEDED  # idle for long enough, just then
    until(lambda: "serve-0002" in jobs.views)
    server = serve("serve-0002")
    assert until(lambda: server.heard)[0]["request"] == handle.request
    RunFolder(jobs.runs / "serve-0002").samples.mkdir()
    RunFolder(jobs.runs / "serve-0002").sample(handle.request).write_text(trajectory.encode(START))
    assert sampling.find(handle.request).parent.parent.name == "serve-0002"
    sampling._runs.clear()  # as after a restart of the web server
    assert sampling.find(handle.request).parent.parent.name == "serve-0002"


def test_cancel_before_the_server_is_there(sampling: SamplingService):
    handle = sampling.generate("stories", prompt="Once")
    assert sampling.cancel(handle.request)
    assert last(sampling, handle.request)["reason"] == "cancelled"
    assert not sampling.cancel(handle.request)


def test_cancel_is_passed_on(sampling: SamplingService, serve):
    handle = sampling.generate("stories", prompt="Once")
    server = serve(handle.job_id)
    until(lambda: handle.request not in sampling._phases)
    assert sampling.cancel(handle.request)
    assert server.heard[-1] == {"op": "cancel", "request": handle.request}


def test_pause_is_passed_on_and_its_refusal_is_told(sampling: SamplingService, serve):
    handle = sampling.generate("stories", prompt="Once")
    with pytest.raises(JobError, match="does not answer"):
        sampling.pause(handle.request)
    answers: dict[str, dict] = {"resume": {"ok": False, "error": "No request is running."}}
    server = serve(handle.job_id, lambda request: answers.get(request["op"], {}))
    until(lambda: handle.request not in sampling._phases)
    sampling.pause(handle.request)
    assert server.heard[-1] == {"op": "pause", "request": handle.request}
    with pytest.raises(JobError, match="No request is running"):
        sampling.pause(handle.request, False)


def test_a_branch_is_handed_over_with_the_file_of_its_parent(sampling: SamplingService, jobs: Jobs, serve):
    parent = sampling.generate("stories", prompt="Once")
    server = serve(parent.job_id)
    until(lambda: parent.request not in sampling._phases)
    with pytest.raises(JobError, match="no canvas to branch off"):
        sampling.branch(parent.request)
    path = sampling.find(parent.request)
    path.parent.mkdir(exist_ok=True)
    path.write_text(trajectory.encode({**START, "model": str(sampling.models.resolve("stories"))}))
    handle = sampling.branch(parent.request, step=2, pins={4: "upon"}, remask=[1], sampler={"steps": 8})
    until(lambda: len(server.heard) == 2)
    heard = server.heard[1]
    assert heard.pop("sampler")["steps"] == 8
    assert heard == {
        "op": "branch",
        "request": handle.request,
        "from": str(path),
        "step": 2,
        "pins": {"4": "upon"},
        "remask": [1],
        "seed": None,
    }


def test_forced_words_are_handed_over(sampling: SamplingService, serve):
    handle = sampling.generate("stories", prompt="Once", constraints={5: "upon"}, suffix=".")
    server = serve(handle.job_id)
    heard = until(lambda: server.heard)[0]
    assert (heard["op"], heard["constraints"], heard["suffix"]) == ("generate", {"5": "upon"}, ".")
    assert "prefix" not in heard
    with pytest.raises(SpecError, match="goes with prompt or messages"):
        sampling.generate("stories", infill="a ____", prefix="b")


def test_pictures_are_looked_for_in_the_home_folder_alone(sampling: SamplingService, studio_home, serve):
    content = [{"type": "image", "image": "cat.png"}, {"type": "text", "text": "What is this?"}]
    handle = sampling.generate("stories", messages=[{"role": "user", "content": content}])
    server = serve(handle.job_id)
    heard = until(lambda: server.heard)[0]
    assert heard["pictures"] == str(studio_home / "pictures") and heard["messages"][0]["content"] == content


def test_a_trajectory_whose_server_died_is_ended_once(sampling: SamplingService, jobs: Jobs, serve):
    handle = sampling.generate("stories", prompt="Once")
    serve(handle.job_id)
    until(lambda: handle.request not in sampling._phases)
    path = sampling.find(handle.request)
    path.parent.mkdir(exist_ok=True)
    path.write_text(trajectory.encode(START))
    assert not sampling.settle(handle.request)
    jobs.views[handle.job_id].state = State.LOST
    assert sampling.settle(handle.request) and not sampling.settle(handle.request)
    assert [line["type"] for line in trajectory.read(path)] == ["start", "end"]


def test_a_request_that_a_living_server_has_forgotten_is_ended(sampling: SamplingService, serve, monkeypatch):
    """As when the disk was full when it began: nobody waits for ever."""
    handle = sampling.generate("stories", prompt="Once")
    known = [{"request": handle.request}]
    serve(handle.job_id, lambda request: {"requests": known})
    until(lambda: handle.request not in sampling._phases)
    path = sampling.find(handle.request)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    monkeypatch.setattr(services, "SOON_SECONDS", -1)
    assert not sampling.settle(handle.request), "the server is at it"
    known.clear()
    assert sampling.settle(handle.request)
    assert "disk" in trajectory.read(path)[-1]["error"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({}, SpecError),
        ({"prompt": "a", "grid": "b"}, SpecError),
        ({"prompt": "a", "seed": -1}, SpecError),
        ({"infill": "a ____", "blanks": 0}, SpecError),
        ({"prompt": "a", "sampler": {"name": "none"}}, SpecError),
        ({"prompt": "a", "sampler": {"stepz": 4}}, SpecError),
        ({"prompt": "a", "model": "storys"}, ModelError),
    ],
)
def test_wrong_requests_start_no_server(sampling: SamplingService, jobs: Jobs, words: dict, error: type):
    with pytest.raises(error):
        sampling.generate(**{"model": "stories", **words})
    assert not jobs.views


@pytest.mark.parametrize("request_id", ["../../etc/passwd", "a/b", "", "nope", "serve-9999_abc"])
def test_find_stays_in_the_runs(sampling: SamplingService, request_id: str):
    with pytest.raises(JobError):
        sampling.find(request_id)


def test_status_and_unload(sampling: SamplingService, jobs: Jobs, serve):
    assert sampling.status() == {"job": None, "models": [], "requests": []}
    with pytest.raises(JobError, match="No model server"):
        sampling.unload("stories")
    sampling.warm("stories")
    assert sampling.status()["job"].id == "serve-0001"
    server = serve("serve-0001", lambda request: {"models": ["/m"], "requests": []})
    assert sampling.status()["models"] == ["/m"]
    sampling.unload("stories")
    assert server.heard[-1]["op"] == "unload"


def test_recent_samples(sampling: SamplingService, jobs: Jobs):
    jobs.submit(SimpleNamespace(kind="serve", model_dump=lambda mode: {"kind": "serve"}))
    run = RunFolder(jobs.runs / "serve-0001")
    run.samples.mkdir()
    long_end = {**END, "text": "x" * 200_000}
    run.sample("serve-0001_a").write_text(trajectory.encode(START) + trajectory.encode(long_end))
    run.sample("serve-0001_b").write_text(trajectory.encode(START) + '{"type": "st')
    run.sample("serve-0001_c").write_text("")
    views = {view.request: view for view in sampling.recent(10)}
    assert views["serve-0001_a"].done and views["serve-0001_a"].nfe == 4
    assert views["serve-0001_a"].prompt == "Once" and views["serve-0001_a"].seed == 3
    assert not views["serve-0001_b"].done and not views["serve-0001_c"].done
    assert len(sampling.recent(1)) == 1


def test_a_model_server_is_started_for_a_probe_and_heard(sampling, jobs, serve):
    found: list[dict] = []
    precision = PrecisionService(sampling, sampling.models)
    asking = threading.Thread(target=lambda: found.append(precision.probe("stories")))
    asking.start()
    until(lambda: "serve-0001" in jobs.views)
    server = serve("serve-0001", lambda request: {"speedup": 2.9, "words": "faster"})
    asking.join()
    assert found == [{"speedup": 2.9, "words": "faster"}]
    precision.load("stories", "bfloat16")
    path = str(sampling.models.dllm("stories"))
    assert server.heard == [
        {"op": "probe", "model": path},
        {"op": "load", "model": path, "dtype": "bfloat16"},
    ]


def test_a_probe_whose_server_fails_says_why(sampling, jobs):
    submit = jobs.submit

    def fails(spec: Any, request_id: str | None = None) -> Any:
        view = submit(spec, request_id)
        view.state, view.reason = State.FAILED, "No memory."
        return view

    jobs.submit = fails
    with pytest.raises(
        JobError, match=r"The model server ended\. No memory\. Ask again: that starts a new one\."
    ):
        PrecisionService(sampling, sampling.models).probe("stories")
