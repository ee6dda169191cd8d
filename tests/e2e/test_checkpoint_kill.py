"""A training that is killed in the middle of writing a checkpoint: it goes on from the last whole one."""

import signal
import time

import pytest

from jobs.protocol.folder import RunFolder, is_whole, read_json
from tests.fakes.programs import MODEL, events, finish, python, training, write_sums

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

STEPS = 30
LARGE = {"n_embd": 256, "n_layer": 6}  # so that a checkpoint takes a while to write
MOMENTS = ("config.json", "optimizer.pt", "scheduler.pt")  # before the weights, after them, before the end


def step_of(folder) -> int:
    return int(folder.name.rsplit("-", 1)[1])


def kill_while_writing(process, run: RunFolder, moment: str) -> int:
    """SIGKILL once `moment` is there and the checkpoint is not whole; the step of the last whole one."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        half = [f for f in run.half_written() if (f / moment).exists() and step_of(f) > 1]
        if half and run.last_checkpoint() is not None:
            process.send_signal(signal.SIGSTOP)
            if not is_whole(half[0]):
                before = step_of(run.last_checkpoint())
                process.kill()
                assert finish(process, run) == -signal.SIGKILL
                assert not is_whole(half[0]) and step_of(half[0]) > before
                return before
            process.send_signal(signal.SIGCONT)
    raise AssertionError(f"never met a checkpoint with {moment} that was not whole")


def test_resume_takes_the_last_whole_checkpoint(tmp_path):
    run = training(
        tmp_path,
        write_sums(tmp_path),
        steps=STEPS,
        model={"new": {**MODEL, "config": {**MODEL["config"], **LARGE}}},
        report={"save_every": 1, "keep_checkpoints": 2},
    )
    goes_on = []
    for moment in MOMENTS:
        run.new_attempt()
        goes_on.append(kill_while_writing(python(run, "train"), run, moment))
        assert read_json(run.result_json) is None
    run.new_attempt()
    assert finish(python(run, "train"), run) == 0
    assert read_json(run.result_json)["status"] == "succeeded" and not run.half_written()
    notes = [(e["attempt"], e["text"]) for e in events(run, "note") if "Going on" in e["text"]]
    assert notes == [(n, f"Going on from checkpoint-{step}.") for n, step in enumerate(goes_on, 2)]
    for attempt, step in enumerate(goes_on, 2):
        assert min(e["step"] for e in events(run, "metrics") if e["attempt"] == attempt) == step + 1
