"""The playground's server in one process: requests, the queue, cancelling, models in memory, the socket."""

import json
import os
import socket
import stat
import threading
import time

import pytest

from jobs.models import checkpoint
from jobs.programs.process import Process
from jobs.programs.serving import models as models_module
from jobs.programs.serving.desk import Desk, parse_request
from jobs.programs.serving.line_socket import LineSocket, reachable
from jobs.programs.serving.models import Models
from jobs.protocol import trajectory
from jobs.protocol.errors import JobError, ModelError, ResourceError, SpecError
from jobs.protocol.folder import RunFolder
from jobs.specs.job import ServeSpec

SAMPLER = {"steps": 4, "max_new_tokens": 8, "block_size": 8}
PATIENCE = 20.0


@pytest.fixture
def folder(text_model, tmp_path):
    checkpoint.save(text_model.model, text_model.tokenizer, text_model.config, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def desk(tmp_path):
    spec = ServeSpec(kind="serve", idle_seconds=5)
    run = RunFolder.create(tmp_path / "runs", "serve", spec.model_dump(mode="json"))
    made = Desk(Process(run, run.new_attempt(), spec), Models(models_module.torch.device("cpu"), "auto"))
    yield made
    made.close(PATIENCE)


def ask(folder, request="r1", **changes):
    return {
        "request": request,
        "model": str(folder),
        "prompt": "ab",
        "sampler": SAMPLER,
        "seed": 1,
        **changes,
    }


def lines_of(desk, request):
    path = desk.process.run.sample(request)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        lines = trajectory.read(path)
        if lines and lines[-1]["type"] == "end":
            return lines
        time.sleep(0.02)
    raise AssertionError(f"{request} did not end: {lines}")


def test_requests_are_answered_in_order(desk, folder):
    desk.start()
    desk.generate(ask(folder, "r1"))
    desk.generate(ask(folder, "r2", prompt=None, infill="a ____ b", blanks=3))
    assert lines_of(desk, "r1")[-1]["reason"] == "finished"
    second = lines_of(desk, "r2")
    assert len(second[0]["ids"]) == 7 and second[-1]["reason"] == "finished"
    assert desk.models.names() == [str(folder)]
    assert desk.requests() == []


def test_the_same_seed_gives_the_same_text(desk, folder):
    desk.start()
    warm = {**SAMPLER, "temperature": 1.0}
    for request, seed in (("a", 1), ("b", 1), ("c", 2)):
        desk.generate(ask(folder, request, sampler=warm, seed=seed))
    canvases = [trajectory.canvas_after(lines_of(desk, r)) for r in "abc"]
    assert canvases[0] == canvases[1] != canvases[2]


def test_a_model_that_is_not_there_ends_its_request_only(desk, folder, tmp_path):
    desk.start()
    desk.generate(ask(tmp_path / "none", "r1"))
    desk.generate(ask(folder, "r2"))
    first = lines_of(desk, "r1")
    assert len(first) == 1
    assert first[0]["reason"] == "error" and "There is no model" in first[0]["error"]
    assert lines_of(desk, "r2")[-1]["reason"] == "finished"


def test_an_error_of_the_program_ends_its_request_only(desk, folder, monkeypatch):
    def broken(*_):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(desk.models, "get", broken)
    desk.start()
    desk.generate(ask(folder))
    end = lines_of(desk, "r1")[-1]
    assert "out of memory" in end["error"] and "Lower max_new_tokens" in end["error"]


def test_a_waiting_request_is_cancelled_at_once(desk, folder):
    desk.generate(ask(folder))  # the worker has not started
    assert desk.requests() == [{"request": "r1", "model": str(folder), "state": "queued"}]
    desk.cancel("r1")
    assert lines_of(desk, "r1")[0]["reason"] == "cancelled"
    desk.start()
    desk.generate(ask(folder, "r2"))
    assert lines_of(desk, "r2")[-1]["reason"] == "finished"
    assert len(lines_of(desk, "r1")) == 1


def test_the_file_is_there_before_the_answer_and_no_id_is_used_twice(desk, folder):
    desk.generate(ask(folder))
    assert desk.process.run.sample("r1").exists()
    with pytest.raises(JobError, match="already a request 'r1'"):
        desk.generate(ask(folder))
    with pytest.raises(JobError, match="No request 'r9'"):
        desk.cancel("r9")
    with pytest.raises(JobError, match="not a sample id"):
        desk.generate(ask(folder, "../../etc"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"prompt": None}, "exactly one of prompt, messages, infill, grid (given: none)"),
        ({"grid": "1."}, "(given: prompt, grid)"),
        ({"prompt": 3}, "'prompt' must be text"),
        ({"prompt": None, "messages": []}, "'messages' must be a list of messages"),
        ({"model": ""}, "'model' must be"),
        ({"sampler": [1]}, "'sampler' must be"),
        ({"sampler": {"name": "llada", "step": 3}}, "Did you mean 'steps'"),
        ({"sampler": {"name": ["llada"]}}, "There is no sampler ['llada']"),
        ({"seed": -1}, "'seed'"),
        ({"seed": True}, "'seed'"),
        ({"blanks": 0}, "'blanks'"),
        ({"promt": "x"}, "Unknown key 'promt'"),
    ],
)
def test_a_wrong_request_is_refused_with_a_sentence(changes, says):
    with pytest.raises(SpecError) as caught:
        parse_request(ask("m", **changes))
    assert says in str(caught.value)


def test_idle_time_counts_only_while_nothing_waits(desk, folder):
    desk.last_used -= 100
    assert desk.idle_seconds() >= 100
    desk.generate(ask(folder))
    assert desk.idle_seconds() == 0


@pytest.mark.thorough
def test_a_model_is_loaded_once_and_again_when_its_files_change(folder):
    models = Models(models_module.torch.device("cpu"), "auto")
    first = models.get(str(folder))
    assert models.get(str(folder)) is first
    os.utime(folder / "config.json", ns=(1, time.time_ns() + 10**9))
    assert models.get(str(folder)) is not first
    assert models.unload(str(folder)) and not models.unload(str(folder))
    with pytest.raises(ModelError, match="There is no model"):
        models.get(str(folder / "none"))


@pytest.mark.thorough
def test_the_model_unused_for_longest_makes_room(folder, tmp_path, monkeypatch, text_model):
    others = [tmp_path / name for name in ("b", "c")]
    for other in others:
        checkpoint.save(text_model.model, text_model.tokenizer, text_model.config, other)
    models = Models(models_module.torch.device("cpu"), "auto")
    models.get(str(folder))
    models.get(str(others[0]))
    models.get(str(folder))
    monkeypatch.setattr(
        models_module, "free_memory", lambda where: 0.0 if str(others[0]) in models.names() else 1e12
    )
    models.get(str(others[1]))
    assert models.names() == [str(folder), str(others[1])]
    monkeypatch.setattr(models_module, "free_memory", lambda where: 0.0)
    with pytest.raises(ResourceError, match="GiB are free"):
        models.get(str(others[0]))


def talk(path, line):
    with socket.socket(socket.AF_UNIX) as client, reachable(path) as address:
        client.settimeout(PATIENCE)
        client.connect(address)
        client.sendall(line if isinstance(line, bytes) else (json.dumps(line) + "\n").encode())
        client.shutdown(socket.SHUT_WR)
        return json.loads(client.makefile().readline())


@pytest.mark.parametrize("long_path", [False, True])
def test_the_socket_takes_a_line_and_gives_one(tmp_path, long_path):
    place = tmp_path / ("deep" * 40 if long_path else "s")
    place.mkdir()
    leave = threading.Event()

    def handle(request):
        if "fail" in request:
            raise JobError("No.")
        if "bug" in request:
            raise TypeError("unhashable")
        return {"echo": request}

    door = LineSocket(place / "serve.sock", handle)
    assert stat.S_IMODE((place / "serve.sock").stat().st_mode) == 0o600

    def serve():
        while not leave.is_set():
            door.serve(0.05)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert talk(door.path, {"a": 1}) == {"ok": True, "echo": {"a": 1}}
        assert talk(door.path, {"fail": 1}) == {"ok": False, "error": "No."}
        assert talk(door.path, {"bug": 1}) == {"ok": False, "error": "TypeError: unhashable"}
        assert "one line of JSON" in talk(door.path, b"{")["error"]
        assert "one line of JSON" in talk(door.path, b"[" * 100_000)["error"]
        assert "JSON object" in talk(door.path, b"[]\n")["error"]
    finally:
        leave.set()
        thread.join()
        door.close()
    assert not door.path.exists()
