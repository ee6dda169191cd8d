"""`python -m jobs.executors.restart RUN ATTEMPT N`: the marks of an attempt's earlier start step aside.

A batch system that starts a job again (a failed node, preemption, a requeue) does so in the same attempt. The
batch script calls this before its supervisor; the program then goes on from the last whole checkpoint.
"""

import contextlib
import sys

from jobs.protocol.folder import AttemptFolder, RunFolder, read_facts, write_json

OF_A_START = ("anchor", "child", "supervisor", "started_at")


def restart(run: RunFolder, attempt: AttemptFolder, number: int) -> None:
    """Make the attempt as it was before its first start; `number` counts the starts before this one."""
    with contextlib.suppress(FileNotFoundError):
        attempt.exit_json.rename(attempt.exit_json.with_name(f"exit.{number}.json"))
    with contextlib.suppress(FileNotFoundError):
        if attempt.stop.stat().st_size == 0:  # one with content is a request of the studio, and stays
            attempt.stop.unlink()
    attempt.lock.unlink(missing_ok=True)  # a node that fell may have taken it along
    run.result_json.unlink(missing_ok=True)
    facts = read_facts(attempt.run_json) or {}
    write_json(attempt.run_json, {name: value for name, value in facts.items() if name not in OF_A_START})


if __name__ == "__main__":
    folder = RunFolder(sys.argv[1])
    restart(folder, folder.attempt(int(sys.argv[2])), int(sys.argv[3]))
