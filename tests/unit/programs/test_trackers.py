"""The curves in other programs."""

import importlib
import sys
import types

import pytest

from jobs.programs.training import packages, trackers
from jobs.protocol.errors import ResourceError
from tests.unit.programs.test_training import CPU, process_of, train_spec


def followed(tmp_path, name):
    """The run after two points of the curves were sent to a tracker of that name."""
    process = process_of(tmp_path, train_spec(report={"report_to": name}))
    with trackers.tracking(process) as tracker:
        tracker.log({"loss": 2.5, "learning_rate": 1e-4}, 5)
        tracker.log({"loss": 1.5}, 10)
    return process.run


def test_tensorboard_reads_the_curves(tmp_path):
    pytest.importorskip("tensorboard", reason="an optional package")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(followed(tmp_path, "tensorboard").tensorboard)).Reload()
    assert [(point.step, point.value) for point in read.Scalars("loss")] == [(5, 2.5), (10, 1.5)]
    assert [point.step for point in read.Scalars("learning_rate")] == [5]


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_online_trackers_are_told_everything_and_closed(tmp_path, monkeypatch, name):
    told = []
    stub = types.ModuleType(name)
    stub.init = lambda **given: told.append(
        ("init", given["project"], given["name"], given["config"]["kind"])
    )
    stub.log = lambda values, step: told.append((step, values))
    stub.finish = lambda: told.append("finish")
    monkeypatch.setitem(sys.modules, name, stub)
    run = followed(tmp_path, name)
    assert told == [
        ("init", "dllm-studio", run.id, "train"),
        (5, {"loss": 2.5, "learning_rate": 1e-4}),
        (10, {"loss": 1.5}),
        "finish",
    ]


def test_only_rank_0_tells_and_nobody_unless_asked(tmp_path):
    process = process_of(tmp_path, train_spec())
    with trackers.tracking(process) as tracker:
        assert tracker is None
    process = process_of(tmp_path, train_spec(report={"report_to": "wandb"}))
    process.rank = 1
    with trackers.tracking(process) as tracker:
        assert tracker is None


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "trackio"])
def test_a_missing_package_is_refused_with_the_command_that_installs_it(monkeypatch, name):
    find = importlib.util.find_spec
    monkeypatch.setattr(packages, "find_spec", lambda module: None if module == name else find(module))
    with pytest.raises(ResourceError, match=f"report.report_to.*pip install {name}"):
        packages.check(train_spec(report={"report_to": name}), CPU)
