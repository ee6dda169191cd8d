"""Endings in words for people."""

import pytest

from backend.outcome import REMEDIES, judge
from jobs.protocol.events import FAILURES
from jobs.protocol.states import State


def ended(code=None, signal=None, lines=(), **more):
    return {"code": code, "signal": signal, "stopped": False, "last_lines": list(lines), **more}


def test_every_failure_has_a_remedy():
    assert set(REMEDIES) == set(FAILURES)


def test_the_result_decides_before_the_exit_code():
    result = {"attempt": 2, "status": "succeeded"}
    assert judge(2, ended(1), result, None).state == State.SUCCEEDED  # torchrun exits 1 after SIGTERM
    assert judge(2, None, result, None).state == State.SUCCEEDED
    assert judge(3, ended(1), result, None).state == State.FAILED, "another attempt's result"


def test_stopped_by_result_or_by_request():
    result = {"attempt": 1, "status": "stopped"}
    assert judge(1, ended(0), result, None).state == State.STOPPED
    forced = judge(1, ended(None, 9, stopped=True), None, None)
    assert forced.state == State.STOPPED
    assert "before it could save" in str(forced.reason)


def test_an_error_event_speaks_for_itself():
    error = {"attempt": 1, "text": "d.jsonl line 3: not JSON.", "failure": "data", "remedy": "Mend it."}
    outcome = judge(1, ended(2, lines=["CUDA out of memory"]), None, error)
    assert (outcome.state, outcome.failure) == (State.FAILED, "data")
    assert (outcome.reason, outcome.remedy) == ("d.jsonl line 3: not JSON.", "Mend it.")
    assert judge(2, ended(3), None, error).failure == "program", "an error of an earlier attempt"
    assert judge(1, ended(1), None, {"attempt": 1, "failure": "unheard of"}).failure == "program"


@pytest.mark.parametrize(
    ("line", "failure"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB", "memory"),
        ("RuntimeError: CUDA error: out of memory", "memory"),
        ("RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried", "memory"),
        ("RuntimeError: DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes", "memory"),
        ("RuntimeError: CUDA driver error: out of memory", "memory"),
        ("RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "memory"),
        ("numpy._core._exceptions._ArrayMemoryError: Unable to allocate 4 GiB for an array", "memory"),
        ("OSError: [Errno 12] Cannot allocate memory", "memory"),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=7.0", "memory"),
        ("terminate called after throwing an instance of 'std::bad_alloc'", "memory"),
        ("MemoryError", "memory"),
        ("OSError: [Errno 28] No space left on device", "resource"),
        ("OSError: [Errno 30] Read-only file system: 'x'", "resource"),
        ("The server socket has failed to listen: EADDRINUSE", "resource"),
        ("Unable to JIT load the op due to ninja not being installed.", "resource"),
        ("ModuleNotFoundError: No module named 'deepspeed'", "program"),
        ("  exitcode  : -9 (pid: 4711)", "killed"),
        ("Killed", "killed"),
    ],
)
def test_texts_of_libraries(line, failure):
    outcome = judge(1, ended(1, lines=["before", line, "after"]), None, None)
    assert (outcome.state, outcome.failure) == (State.FAILED, failure)
    assert outcome.reason and outcome.remedy and outcome.last_lines == ["before", line, "after"]


def test_signals():
    assert judge(1, ended(signal=9), None, None).failure == "killed"
    assert judge(1, ended(signal=9, oom_kills=1), None, None).failure == "memory"
    assert judge(1, ended(code=137), None, None).failure == "killed"
    assert "segfault" in str(judge(1, ended(signal=11), None, None).reason)
    assert judge(1, ended(signal=15), None, None).failure == "killed"


def test_one_of_several_processes_killed_by_the_kernel_is_memory():
    log = ["worker", "Signal 9 (SIGKILL) received by PID 4711"]
    assert judge(1, ended(1, lines=log), None, None).failure == "killed"
    found = judge(1, ended(1, lines=log, oom_kills=1), None, None)
    assert found.failure == "memory" and "kernel" in str(found.reason)


def test_a_missing_package_is_named():
    found = judge(1, ended(1, lines=["ModuleNotFoundError: No module named 'x'"]), None, None)
    assert "No module named 'x'" in str(found.reason)


def test_no_result_is_no_success():
    outcome = judge(1, ended(0, lines=["bye"]), None, None)
    assert outcome.state == State.FAILED
    assert "without a result" in str(outcome.reason) and "bye" in str(outcome.reason)


def test_the_cause_is_found_above_a_launchers_summary():
    summary = ["torch.distributed.elastic.multiprocessing.errors.ChildFailedError: "] + ["===="] * 40
    log = ["[rank1]: Traceback (most recent call last):", "[rank1]: ValueError: no rows left", *summary]
    outcome = judge(1, ended(1, lines=summary[-30:]), None, None, log=log)
    assert outcome.reason == "The program ended with code 1. ValueError: no rows left"
    log[1] = "[rank1]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"
    assert judge(1, ended(1, lines=summary[-30:]), None, None, log=log).failure == "memory"
    lost = judge(1, None, None, None, log=[str(i) for i in range(100)])
    assert lost.last_lines == [str(i) for i in range(70, 100)]


def test_lost_is_honest():
    assert judge(1, None, None, None).state == State.LOST
    rebooted = judge(1, None, None, None, same_boot=False)
    assert rebooted.state == State.LOST and "restarted" in str(rebooted.reason)
    assert judge(1, {"never_started": True}, None, None).state == State.LOST


@pytest.mark.parametrize(
    ("slurm", "state", "failure"),
    [
        ("TIMEOUT", State.FAILED, "resource"),
        ("OUT_OF_MEMORY", State.FAILED, "memory"),
        ("NODE_FAIL", State.LOST, "lost"),
        ("CANCELLED", State.STOPPED, None),
        ("FAILED", State.FAILED, "program"),
        ("A_STATE_OF_LATER_VERSIONS", State.LOST, "lost"),
        ("", State.LOST, "lost"),
    ],
)
def test_an_end_that_only_slurm_knows(slurm, state, failure):
    outcome = judge(1, ended(slurm=slurm, begun=True, lines=["python: not found"]), None, None)
    assert (outcome.state, outcome.failure) == (state, failure)
    assert ("python: not found" in str(outcome.reason)) is (failure == "program")


def test_a_stop_that_slurm_asked_for():
    asked = {"stopped": True, "stop_reason": "Slurm asked it to stop."}
    saved = judge(1, ended(0, **asked), {"attempt": 1, "status": "stopped"}, None)
    assert saved.reason == "Slurm asked it to stop."
    killed = judge(1, ended(None, 15, **asked), None, None)
    assert killed.reason == "Slurm asked it to stop. It had to be ended before it could save."
    never = judge(1, ended(slurm="CANCELLED", stopped=True, begun=False), None, None)
    assert never.reason == "Stopped before it began."
