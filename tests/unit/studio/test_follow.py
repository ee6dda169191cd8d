"""Watching: a job to its end, a trajectory as it is written."""

import threading
import time

import pytest
import typer

from jobs.protocol.errors import JobError
from jobs.protocol.states import TERMINAL
from jobs.protocol.trajectory import encode
from studio.cli.follow import left_behind, trajectory, wait_for


class View:
    """The part of a JobView that is watched."""

    def __init__(self, state, **more):
        self.id, self.state, self.reason, self.remedy = "train-0001", state, None, None
        self.phase, self.step, self.total, self.seconds_left, self.metrics = None, 3, 10, 7.0, {"loss": 0.5}
        self.started_at, self.ended_at, self.folder = 1.0, 3.0, "/runs/train-0001"
        self.__dict__.update(more)

    @property
    def active(self):
        return self.state not in TERMINAL


class Jobs:
    """Answers with one view after another; an exception is raised once."""

    def __init__(self, *views):
        self.views = list(views)

    def get(self, _):
        view = self.views.pop(0) if len(self.views) > 1 else self.views[0]
        if isinstance(view, type):
            raise view
        return view


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("studio.cli.follow.POLL_SECONDS", 0.001)


def test_progress_is_told_when_it_changes(capsys):
    job = wait_for(Jobs(View("queued"), View("running"), View("running"), View("succeeded")), "train-0001")
    assert job.state == "succeeded"
    assert capsys.readouterr().err.splitlines() == [
        "train-0001: queued  3 of 10  loss 0.5  7.0 s left",
        "train-0001: running  3 of 10  loss 0.5  7.0 s left",
        "train-0001 succeeded in 2.0 s. Its folder: /runs/train-0001",
    ]


@pytest.mark.parametrize("state", ["failed", "stopped", "lost"])
def test_any_other_end_is_exit_code_1(state, capsys):
    with pytest.raises(typer.Exit) as left:
        wait_for(Jobs(View(state, reason="The disk is full.", remedy="Free some space.")), "train-0001")
    assert left.value.exit_code == 1
    assert "The disk is full." in (said := capsys.readouterr().err) and "Free some space." in said


def test_ctrl_c_leaves_the_job_and_says_so(capsys):
    with pytest.raises(typer.Exit) as left:
        wait_for(Jobs(View("running"), KeyboardInterrupt, View("running")), "train-0001")
    assert left.value.exit_code == 130
    assert "goes on without you" in capsys.readouterr().err
    assert "stays queued" in left_behind(View("queued"))


def test_a_trajectory_is_read_while_it_is_written(tmp_path):
    path = tmp_path / "serve-0001_ab.jsonl"
    lines = [
        {"type": "start"},
        {"type": "step", "step": 1, "text": "zü"},
        {"type": "end", "reason": "finished"},
    ]
    data = "".join(map(encode, lines)).encode()

    def write():
        for i in range(len(data)):  # a byte at a time: no line and no letter arrives whole
            with open(path, "ab") as file:
                file.write(data[i : i + 1])
            time.sleep(0.0005)

    writer = threading.Thread(target=write)
    writer.start()
    assert list(trajectory(path, lambda: True)) == lines
    writer.join()


def test_a_writer_that_died_is_an_error_not_an_endless_wait(tmp_path):
    path = tmp_path / "serve-0001_ab.jsonl"
    path.write_text(encode({"type": "start"}) + '{"type": "st')
    lines = trajectory(path, lambda: False)
    assert next(lines) == {"type": "start"}
    with pytest.raises(JobError, match="has ended"):
        next(lines)
