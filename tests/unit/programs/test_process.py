"""The edge of every program: attempts, exit codes, what is recorded of an error and of a stop."""

import errno
import os
import signal

import pytest

from jobs.programs import process as edge
from jobs.programs.process import Countdown, Process, classify, main
from jobs.protocol.errors import AccessError, DataError, ModelError, ResourceError, SpecError
from jobs.protocol.events import read_events
from jobs.protocol.folder import RunFolder, read_json, write_json

SPEC = {"kind": "sample", "model": "m", "prompts": "p.txt"}


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in (edge.ATTEMPT, "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path, "sample", SPEC)


def start(run, body, kind="sample"):
    return main(kind, body, [str(run.path)])


def events(run, name):
    return [event for _, event in read_events(run.events) if event["event"] == name]


def raising(error):
    def body(process):
        raise error

    return body


def test_a_job_that_succeeds(run):
    def body(process):
        process.phase("working")
        process.phase("working")
        process.finish("succeeded", answered=3)

    assert start(run, body) == 0
    result = read_json(run.result_json)
    assert (result["attempt"], result["status"], result["answered"]) == (1, "succeeded", 3)
    assert [e["text"] for e in events(run, "phase")] == ["working"]


def test_the_attempt_is_the_one_named_or_the_latest_that_is_not_over(run, monkeypatch):
    seen = []

    def body(process):
        seen.append(process.attempt.number)

    start(run, body)
    start(run, body)  # attempt 1 has no exit.json: it goes on
    write_json(run.attempt(1).exit_json, {})
    start(run, body)
    run.attempt(2).request_stop()
    start(run, body)
    monkeypatch.setenv(edge.ATTEMPT, "7")
    start(run, body)
    assert seen == [1, 1, 2, 3, 7]


def test_other_ranks_wait_for_the_attempt_of_rank_0(run, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(edge, "WAIT_FOR_RANK_0", 0.1)
    assert start(run, lambda process: None) == 2
    run.new_attempt()
    assert start(run, lambda process: None) == 0


def test_a_rank_above_0_is_silent(run, monkeypatch):
    run.new_attempt()
    monkeypatch.setenv("RANK", "1")

    def body(process):
        process.phase("working")
        process.finish("succeeded")

    assert start(run, body) == 0
    assert not run.result_json.exists() and not run.events.exists()


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (DataError("no rows"), "data"),
        (ModelError("no tensors"), "model"),
        (ResourceError("no room"), "resource"),
        (SpecError("no sense"), "configuration"),
        (AccessError("no"), "configuration"),
    ],
)
def test_an_error_that_can_be_mended_is_a_sentence(run, capsys, error, failure):
    assert start(run, raising(error)) == 2
    (event,) = events(run, "error")
    assert (event["text"], event["failure"]) == (str(error), failure)
    assert capsys.readouterr().err == f"Error: {error}\n"
    assert not run.result_json.exists()


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (MemoryError(), "memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "resource"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "resource"),
        (ValueError("surprise"), "program"),
    ],
)
def test_any_other_error_is_classified(run, capsys, error, failure):
    assert start(run, raising(error)) == 1
    (event,) = events(run, "error")
    assert event["failure"] == failure
    assert bool(event["remedy"]) == (failure != "program")
    assert "Traceback" in capsys.readouterr().err


def test_an_error_on_a_full_disk_is_the_disks(run, monkeypatch):
    full = edge.shutil.disk_usage(run.path)._replace(free=0)
    monkeypatch.setattr(edge.shutil, "disk_usage", lambda path: full)
    start(run, raising(RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0")))
    assert events(run, "error")[0]["failure"] == "resource"


def test_the_cause_of_an_error_counts():
    error = ValueError("while saving")
    error.__cause__ = OSError(errno.EDQUOT, "Disk quota exceeded")
    assert classify(error)[0] == "resource"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("std::bad_alloc"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ValueError("Unable to allocate 4.00 GiB for an array with shape (1,)"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_memory_that_ran_out_is_told_with_the_settings_to_change(error, tmp_path):
    spec = {
        "kind": "train",
        "model": {"path": "/m"},
        "data": {"path": "/d", "max_length": 64},
        "optimisation": {"batch_size": 6, "gradient_accumulation": 2, "gradient_checkpointing": True},
        "launcher": {"device": "cpu"},
    }
    run = RunFolder.create(tmp_path, "train", spec)
    assert start(run, raising(error), "train") == 1
    told = events(run, "error")[0]
    assert told["failure"] == "memory"
    assert "batch_size: 3 with gradient_accumulation: 4, which is the same step" in told["remedy"]
    assert "tuning.method: lora" in told["remedy"] and "max_length below 64" in told["remedy"]
    assert "checkpointing" not in told["remedy"] and "bf16" not in told["remedy"], "set, or no use here"


def test_only_the_first_error_of_an_attempt_is_recorded(run):
    start(run, raising(DataError("the cause")))
    start(run, raising(RuntimeError("Connection closed by peer")))
    assert [e["text"] for e in events(run, "error")] == ["the cause"]


def test_a_broken_spec_and_a_wrong_kind_are_recorded(run):
    assert start(run, lambda process: None, kind="serve") == 2
    write_json(run.spec_json, {**SPEC, "promts": 1})
    run.new_attempt()
    assert start(run, lambda process: None) == 2
    texts = [e["text"] for e in events(run, "error")]
    assert "start jobs.programs.sample" in texts[0] and "Did you mean 'prompts'" in texts[1]


def test_a_folder_that_is_no_run_is_left_alone(tmp_path, capsys):
    assert main("sample", lambda process: None, [str(tmp_path)]) == 2
    assert "has no spec.json" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_stop_file_and_a_signal_ask_for_a_stop(run):
    def by_file(process):
        process.check_stop()
        process.attempt.request_stop()
        process.check_stop()

    def by_signal(process):
        os.kill(os.getpid(), signal.SIGTERM)
        process.check_stop()

    for body in (by_file, by_signal):
        assert start(run, body) == 0
        assert read_json(run.result_json)["status"] == "stopped"
    assert read_json(run.result_json)["attempt"] == 2


def test_the_log_tells_phases_and_notes(run, capsys):
    def body(process):
        process.phase("working")
        process.note("Two rows were cut.", "warning")

    start(run, body)
    lines = [line.split(" ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["working", "warning: Two rows were cut."]


def test_signal_handlers_are_put_back(run):
    before = signal.getsignal(signal.SIGTERM)
    start(run, lambda process: None)
    assert signal.getsignal(signal.SIGTERM) is before


def test_progress_is_written_seldom_but_the_last_step_always(run):
    process = Process(run, run.new_attempt(), None)
    countdown = Countdown(process, 100)
    for step in range(101):
        countdown(step)
    steps = [(e["step"], e["seconds_left"]) for e in events(run, "progress")]
    assert steps[0][0] == 0 and steps[-1] == (100, 0.0)
    assert len(steps) < 5
