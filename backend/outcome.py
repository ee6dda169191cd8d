"""How an attempt ended, in words for people: state, cause, and what to change."""

import json
import re
import time
from dataclasses import dataclass, field
from typing import Any

from jobs.protocol.events import FAILURES
from jobs.protocol.folder import RunFolder, read_json
from jobs.protocol.states import State


@dataclass(frozen=True)
class Outcome:
    """The end of an attempt. failure is a name of FAILURES, or None when nothing went wrong."""

    state: State
    reason: str | None = None
    failure: str | None = None
    remedy: str | None = None
    last_lines: list[str] = field(default_factory=list)


REMEDIES = {
    "memory": "Use a smaller batch (raise gradient_accumulation by as much), shorter sequences, "
    "gradient_checkpointing, LoRA, or a smaller model.",
    "data": "Mend the data, then resume.",
    "model": "Look at the model folder named above, or choose another model.",
    "configuration": "Change the setting named above and start again.",
    "resource": "Free what is missing, then resume the job.",
    "killed": "If nobody killed it, the machine ran out of memory: use a smaller batch, "
    "gradient_checkpointing or LoRA, then start again.",
    "lost": "Resume it: it goes on from its last checkpoint.",
    "program": "The last lines of the log say where. If it is our mistake, please report it with the log.",
}

# Texts of libraries and kernels, newest lines first; the first that matches decides.
LOG_TEXTS: list[tuple[re.Pattern[str], str, str]] = [
    (re.compile(pattern, re.IGNORECASE), failure, reason)
    for pattern, failure, reason in (
        (r"CUDA out of memory|torch\.(cuda\.)?OutOfMemoryError", "memory", "The GPU ran out of memory."),
        (r"CUDA (driver )?error: out of memory|HIP out of memory", "memory", "The GPU ran out of memory."),
        (r"CU(BLAS|DNN)_STATUS_ALLOC_FAILED", "memory", "The GPU ran out of memory."),
        (r"DefaultCPUAllocator: (can't allocate|not enough) memory", "memory", "Main memory ran out."),
        (r"Cannot allocate memory|Unable to allocate .* for an array", "memory", "Main memory ran out."),
        (r"\bMemoryError\b|std::bad_alloc", "memory", "Main memory ran out."),
        (r"Detected \d+ oom.kill event|Out of memory: Killed process", "memory", "Main memory ran out."),
        (r"No space left on device|Disk quota exceeded", "resource", "The disk is full."),
        (r"Read-only file system", "resource", "The disk cannot be written."),
        (r"EADDRINUSE|Address already in use", "resource", "A network port was taken by another program."),
        (r"due to ninja not being installed", "resource", "DeepSpeed found no ninja to build with."),
        (r"Error building extension", "resource", "DeepSpeed could not build its extension (needs g++)."),
        (r"NCCL error|ncclSystemError|ncclUnhandledCudaError", "resource", "The GPUs could not talk (NCCL)."),
        (r"no kernel image is available", "resource", "This PyTorch was not built for this GPU."),
        (r"ModuleNotFoundError: (?P<package>No module named .*)", "program", "A Python package is missing."),
        (r"Signal 9 \(SIGKILL\) received by PID|exitcode\s*: -9\b", "killed", "A process was killed."),
        (r"^Killed$", "killed", "The process was killed."),
    )
]

KERNEL = "The machine ran out of memory and the kernel killed it."
LAST_LINES = 30
LOG_BYTES = 65_536
ERROR_LINE = re.compile(r"^(?:\[rank\d+\]: ?)?((?:\w+\.)*\w*(?:Error|Exception): .+)")
SUMMARIES = ("torch.distributed.elastic", "subprocess.CalledProcessError")  # of launchers: not the cause

ON_REQUEST, ENDED_EARLY = "Stopped on request.", " It had to be ended before it could save."

# What Slurm calls the end of a job that left no exit code.
SLURM_ENDS: dict[str, tuple[State, str | None, str]] = {
    "CANCELLED": (State.STOPPED, None, "Cancelled in Slurm."),
    "TIMEOUT": (State.FAILED, "resource", "Slurm ended it at its time limit, before it could save."),
    "DEADLINE": (State.FAILED, "resource", "Slurm ended it at its deadline."),
    "OUT_OF_MEMORY": (State.FAILED, "memory", "It took more main memory than Slurm had given it."),
    "NODE_FAIL": (State.LOST, "lost", "A node that it ran on failed."),
    "BOOT_FAIL": (State.LOST, "lost", "A node that it was to run on did not start."),
    "PREEMPTED": (State.LOST, "lost", "Slurm gave its nodes to another job."),
    "FAILED": (State.FAILED, "program", "Its batch script failed."),
    "COMPLETED": (State.FAILED, "program", "Its batch script ended without a word of the program."),
    "": (State.LOST, "lost", "Slurm does not know it any more, and it left no exit code."),
}

SIGNALS = {6: "aborted itself", 7: "hit a bus error", 8: "hit an arithmetic error", 11: "crashed (segfault)"}


def judge(
    attempt: int,
    ended: dict[str, Any] | None,
    result: dict[str, Any] | None,
    error: dict[str, Any] | None,
    same_boot: bool = True,
    log: list[str] | None = None,
) -> Outcome:
    """The outcome of `attempt` from exit.json, result.json and the newest error event (each may be None).

    result.json of this very attempt decides first: torchrun may exit with 1 after its workers did all well.
    `log` is more of the log's end than exit.json holds: torchrun's summary pushes the cause out of the last
    lines.
    """
    ended = ended or {}
    lines = [str(line) for line in ended.get("last_lines") or (log or [])[-LAST_LINES:]]
    status = result.get("status") if result and result.get("attempt") == attempt else None
    if status == "succeeded":
        return Outcome(State.SUCCEEDED, last_lines=lines)
    if status == "stopped":
        return Outcome(State.STOPPED, ended.get("stop_reason", ON_REQUEST), last_lines=lines)
    if error is not None and error.get("attempt") == attempt:
        return _from_event(error, lines)
    if "slurm" in ended:
        return _from_slurm(ended, lines)
    if ended.get("stopped"):
        reason = ended.get("stop_reason", ON_REQUEST) + ENDED_EARLY
        return Outcome(State.STOPPED, reason, last_lines=lines)
    if ended.get("never_started"):
        return _outcome("lost", "Its start was cut off before anything ran.", lines, State.LOST)
    return _from_end(ended, lines, log or lines, same_boot)


def _from_slurm(ended: dict[str, Any], lines: list[str]) -> Outcome:
    """A job that left no exit code: what Slurm calls its end."""
    if ended.get("stopped"):
        reason = ON_REQUEST + ENDED_EARLY if ended.get("begun") else "Stopped before it began."
        return Outcome(State.STOPPED, reason, last_lines=lines)
    state, failure, reason = SLURM_ENDS.get(ended["slurm"], SLURM_ENDS[""])
    if failure is None:
        return Outcome(state, reason, last_lines=lines)
    line = lines[-1].strip() if lines else ""
    said = f" Its last line: {line}" if lines and failure == "program" else ""
    return _outcome(failure, reason + said, lines, state)


def _from_event(error: dict[str, Any], lines: list[str]) -> Outcome:
    failure = error.get("failure") if error.get("failure") in FAILURES else "program"
    text = str(error.get("text") or FAILURES[str(failure)])
    remedy = str(error.get("remedy") or REMEDIES[str(failure)])
    return Outcome(State.FAILED, text, str(failure), remedy, lines)


def _from_end(ended: dict[str, Any], lines: list[str], log: list[str], same_boot: bool) -> Outcome:
    code, number = ended.get("code"), ended.get("signal")
    said = [*log, str(ended.get("waited_for") or "")]  # the disk that did not take the end took no log either
    for pattern, failure, reason in LOG_TEXTS:
        for line in reversed(said):
            if match := pattern.search(line):
                if failure == "killed" and ended.get("oom_kills"):  # one process of several
                    return _outcome("memory", KERNEL, lines)
                named = pattern.groupindex.get("package")
                detail = f" {match.group(named)}." if named else ""
                return _outcome(failure, reason + detail, lines)
    if number == 9 or code == 137:
        if ended.get("oom_kills"):
            return _outcome("memory", KERNEL, lines)
        return _outcome("killed", "The process was killed (signal 9).", lines)
    if number is not None:
        what = SIGNALS.get(number)
        text = f"The program {what} (signal {number})." if what else f"Ended by signal {number}."
        return _outcome("program" if what else "killed", text, lines)
    if code is not None:
        last = cause_line(log)
        cause = f" {last[:300]}" if last else " It wrote nothing."
        text = "The program ended without a result." if code == 0 else f"The program ended with code {code}."
        return _outcome("program", text + cause, lines)
    if not same_boot:
        return _outcome("lost", "The machine was restarted while it ran.", lines, State.LOST)
    return _outcome("lost", "It ended without a trace: no exit code, no result.", lines, State.LOST)


def cause_line(log: list[str]) -> str:
    """The newest line that names an error of the program itself, else the last line."""
    for line in reversed(log):
        if (match := ERROR_LINE.match(line)) and not line.startswith(SUMMARIES):
            return match.group(1).strip()
    return next((f"Its last line: {line}" for line in map(str.strip, reversed(log)) if line), "")


def _outcome(failure: str, reason: str, lines: list[str], state: State = State.FAILED) -> Outcome:
    return Outcome(state, reason, failure, REMEDIES[failure], lines)


def outcome_fields(outcome: Outcome, ended: dict[str, Any]) -> dict[str, Any]:
    """The columns that an ending fills."""
    return {
        "reason": outcome.reason,
        "failure": outcome.failure,
        "remedy": outcome.remedy,
        "last_lines": json.dumps(outcome.last_lines),
        "ended_at": ended.get("ended_at") or time.time(),
        "seconds_left": None,
        "waiting": None,
        **({"phase": None} if outcome.failure is None else {}),  # of a failed job it tells where it was
        **({"started_at": ended["started_at"]} if ended.get("started_at") else {}),
    }


def read_log(run: RunFolder, attempt: int) -> list[str]:
    """The last lines of an attempt's log, as many as the search for a cause needs."""
    try:
        with open(run.attempt(attempt).log, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - LOG_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def read_result(run: RunFolder) -> dict[str, Any] | None:
    """result.json; a broken one counts as missing."""
    try:
        data = read_json(run.result_json)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None
