"""Runs of the real programs on tiny models, for tests that start them."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from jobs.protocol.events import read_events
from jobs.protocol.folder import RunFolder

PATIENCE = 180.0
MODEL = {
    "architecture": "gpt2",
    "config": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 32},  # with GPT-2's dropout
    "tokenizer": "characters:" + "".join(dict.fromkeys("0123456789+= User:Assistant\n")),
}


def write_sums(folder: Path) -> Path:
    """Two-digit sums as plain text."""
    path = folder / "sums.jsonl"
    rows = [{"text": f"{a:02d}+{b:02d}={a + b:03d}"} for a in range(0, 99, 3) for b in range(0, 99, 7)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def make_run(tmp_path: Path, kind: str, **spec) -> RunFolder:
    return RunFolder.create(tmp_path / "runs", kind, {"kind": kind, "launcher": {"device": "cpu"}, **spec})


def training(tmp_path: Path, rows: Path, steps: int = 60, **changes) -> RunFolder:
    spec = {
        "model": {"new": MODEL},
        "data": {
            "path": str(rows), "max_length": 16, "packing": False, "append_eos": False, "validation": 0.1
        },
        "optimisation": {
            "steps": steps, "batch_size": 8, "gradient_accumulation": 2, "learning_rate": 3e-3,
            "warmup_steps": 5,
        },
        "report": {"log_every": 1},
    }  # fmt: skip
    for key, value in changes.items():
        spec[key] = {**spec.get(key, {}), **value}
    return make_run(tmp_path, "train", **spec)


def events(run: RunFolder, name: str) -> list[dict]:
    return [event for _, event in read_events(run.events) if event["event"] == name]


def curve(run: RunFolder, metric: str = "loss") -> dict[int, float]:
    """Step -> value; the last attempt's where two took the same step."""
    return {e["step"]: e["values"][metric] for e in events(run, "metrics") if metric in e["values"]}


def environment(**more) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **more}


def python(run: RunFolder, kind: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen:
    command = [sys.executable, *launcher, "-m", f"jobs.programs.{kind}", str(run.path)]
    with open(run.path / "log.txt", "ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment())


def wait_for(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def finish(process: subprocess.Popen, run: RunFolder, patience: float = PATIENCE) -> int:
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError((run.path / "log.txt").read_text()[-2000:]) from None


def stop_at(run: RunFolder, step: int, attempt: int = 1, patience: float = PATIENCE) -> None:
    """Ask for a stop once the curves have reached `step`."""
    wait_for(lambda: max(curve(run), default=-1) >= step, f"step {step}", patience)
    run.attempt(attempt).request_stop()


def torchrun(port: int) -> tuple[str, ...]:
    return ("-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(port))


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
