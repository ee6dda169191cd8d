"""`studio launch --headless` as a process of its own: start, refusals, streams, a real job, and the end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs.launch import source_root
from jobs.protocol.folder import RunFolder
from tests.fakes.processes import living, until

pytestmark = pytest.mark.e2e

TINY = {
    "kind": "train",
    "name": "Tiny",
    "model": {
        "new": {
            "architecture": "gpt2",
            "config": {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 16},
            "tokenizer": "characters:1234",
            "grid": {"rows": 4, "columns": 4, "box_rows": 2, "box_columns": 2},
            "sampler": {"name": "llada", "steps": 4, "max_new_tokens": 16, "block_size": 16},
        }
    },
    "data": {
        "builder": "sudoku",
        "options": {"size": 4, "rows": 64},
        "max_length": 16,
        "packing": False,
        "append_eos": False,
    },
    "optimisation": {"steps": 6, "batch_size": 8},
    "report": {"log_every": 1},
}


class Server:
    """A launched server."""

    def __init__(self, home: Path, *words: str, **environment: str):
        words = words if "--page" in words else ("--headless", *words)
        argv = [sys.executable, "-m", "studio.cli.main", "launch", "--home", str(home), *words]
        self.process = subprocess.Popen(
            argv,
            cwd=source_root(),
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""

    def read_until(self, pattern: str) -> str:
        assert self.process.stdout is not None
        while not (match := re.search(pattern, self.said)):
            line = self.process.stdout.readline()
            assert line, f"the server left: {self.said}"
            self.said += line
        return match[0]

    def started(self) -> "Server":
        self.url = self.read_until(r"http://\S+")
        self.read_until(r"Ctrl-C")
        return self

    def refused(self) -> str:
        out, _ = self.process.communicate(timeout=30)
        assert self.process.returncode not in (0, None) and "Traceback" not in out
        return out

    def end(self, number: int = signal.SIGINT) -> tuple[float, str]:
        """(seconds it took, what it said)."""
        begun = time.monotonic()
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=30)
        return time.monotonic() - begun, self.said + out


@pytest.fixture
def start(studio_home: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def launch(*words: str, home: Path = studio_home, **environment: str) -> Server:
        servers.append(Server(home, *words, **environment))
        return servers[-1]

    yield launch
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()
    for path in (studio_home / "runs").glob("*-*"):
        for process in living(RunFolder(path)):
            process.kill()


def messages(response: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])


def test_start_streams_and_a_clean_end(start):
    server = start("--port", "0").started()
    assert httpx.get(f"{server.url}/api/health").json()["ok"]
    assert httpx.get(f"{server.url}/api/health", headers={"Host": "evil.example"}).status_code == 421
    with httpx.stream("GET", f"{server.url}/api/events?topics=jobs", timeout=20) as response:
        stream = messages(response)
        assert next(stream) == {"topic": "jobs", "reset": True, "removed": [], "total": 0, "jobs": []}
        seconds, said = server.end()
        assert list(stream) == []  # the stream is closed, not cut
    assert server.process.returncode == 0 and seconds < 3
    assert "Stopped. No job is running." in said and "Traceback" not in said


def test_sigterm_is_a_clean_end_too(start):
    server = start("--port", "0").started()
    _, said = server.end(signal.SIGTERM)
    assert server.process.returncode == 0 and "Stopped." in said


def test_one_server_a_home(start, tmp_path: Path):
    first = start("--port", "0").started()
    said = start("--port", "0").refused()
    assert first.url in said and str(first.process.pid) in said
    start("--port", "0", home=tmp_path / "other").started()
    first.process.kill()  # what is killed leaves nothing locked
    first.process.wait()
    start("--port", "0").started()


def test_a_port_in_use(start, tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = start("--port", str(taken.getsockname()[1])).refused()
        assert "is in use" in said and "--port" in said


def test_other_hosts_need_a_token(start):
    said = start("--host", "0.0.0.0", "--port", "0").refused()
    assert "STUDIO_TOKEN" in said and "--token" in said
    assert "12 characters" in start("--host", "0.0.0.0", "--port", "0", "--token", "short").refused()
    server = start("--host", "0.0.0.0", "--port", "0", STUDIO_TOKEN="a-long-enough-token").started()
    assert httpx.get(f"{server.url}/api/jobs").status_code == 401
    bearer = {"Authorization": "Bearer a-long-enough-token"}
    assert httpx.get(f"{server.url}/api/jobs", headers=bearer).status_code == 200
    assert "a-long-enough-token" not in server.said


def test_the_page_stands_behind_the_same_guard(start, studio_home: Path):
    server = start("--page", "--no-open", "--port", "0", STUDIO_TOKEN="a-long-enough-token").started()
    paths = [
        "/",
        "/config",
        "/static/studio.css",
        "/gradio_api/info",
        "/gradio_api/startup-events",
        "/theme.css",
    ]
    with httpx.Client(base_url=server.url) as outside:
        for path in paths:
            assert outside.get(path).status_code == 401, path
        foreign = {"Origin": "https://evil.example"}
        assert outside.post("/gradio_api/queue/join", json={}, headers=foreign).status_code == 403
        assert outside.post("/login", data={"token": "a-long-enough-token"}).status_code == 303
        for path in paths[:3]:
            assert outside.get(path).status_code == 200, path
        for secret in (studio_home / "studio.db", Path("/etc/passwd"), Path(source_root() or "", "LICENSE")):
            assert outside.get(f"/gradio_api/file={secret}").status_code in (403, 404), secret
        page = outside.get("/")
        assert "gradio" in page.text and page.headers["x-content-type-options"] == "nosniff"
        assert outside.get("/api/health").json()["ok"]
    seconds, said = server.end()
    assert server.process.returncode == 0 and seconds < 6 and "Traceback" not in said


def test_train_then_sample_over_http(start):
    server = start("--port", "0").started()
    made = httpx.post(f"{server.url}/api/jobs", json={"spec": TINY})
    assert made.status_code == 201, made.text
    topics = "job:train-0001,log:train-0001"
    steps: list[int] = []
    with httpx.stream("GET", f"{server.url}/api/events?topics={topics}", timeout=90) as response:
        for message in messages(response):
            assert "error" not in message, message
            steps += [step for step, _ in message.get("metrics", {}).get("loss", [])]
            if message.get("job", {}).get("state") in ("succeeded", "failed", "lost"):
                job = message["job"]
                break
    assert job["state"] == "succeeded", job["reason"]
    assert sorted(set(steps)) == steps and len(steps) >= 5
    names = [model["name"] for model in httpx.get(f"{server.url}/api/models").json()["models"]]
    assert "run:train-0001" in names

    words = {"model": "run:train-0001", "grid": "1...............", "seed": 1}
    handle = httpx.post(f"{server.url}/api/sample", json=words).json()
    lines: list[dict[str, Any]] = []
    topic = f"sample:{handle['request']}"
    with httpx.stream("GET", f"{server.url}/api/events?topics={topic}", timeout=90) as response:
        for message in messages(response):
            lines += message.get("lines", [])
            if message.get("done"):
                break
    start_line, end_line = lines[0], lines[-1]
    assert (start_line["type"], end_line["type"]) == ("start", "end")
    assert end_line["reason"] == "finished", end_line
    assert len(end_line["texts"]) == 16 and end_line["text"].startswith("1")
    assert httpx.get(f"{server.url}/api/samples/{handle['request']}").json()["lines"] == lines
    serving = httpx.get(f"{server.url}/api/serving").json()
    assert serving["job"]["id"] == handle["job_id"] and len(serving["models"]) == 1
    _, said = server.end()
    assert f"Still running: {handle['job_id']}" in said

    server = start("--port", "0").started()  # the model server lived on, and is found again
    again = httpx.post(f"{server.url}/api/sample", json=words).json()
    assert again["job_id"] == handle["job_id"]
    url = f"{server.url}/api/samples/{again['request']}"
    until(lambda: httpx.get(url).json()["done"])
    assert httpx.get(url).json()["lines"][-1]["text"] == end_line["text"]
    httpx.post(f"{server.url}/api/jobs/{handle['job_id']}/stop", json={"grace": 5})
    until(lambda: httpx.get(f"{server.url}/api/jobs/{handle['job_id']}").json()["state"] == "stopped", 30)
