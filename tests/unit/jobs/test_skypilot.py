"""A job as a task of SkyPilot."""

import pytest
import yaml

from jobs.executors.skypilot import export
from jobs.protocol.errors import StudioError
from jobs.protocol.folder import RunFolder, read_json
from jobs.specs.load import parse_spec
from tests.fakes.studio import train_spec


def exported(home, gpus="", nodes=1, **changes):
    """(run, the task's text) of a training on a mix of two files."""
    model, rows, other = (home / "inputs" / name for name in ("model", "rows.jsonl", "other.jsonl"))
    model.mkdir(parents=True)
    rows.touch()
    other.touch()
    data = {"path": f"{rows} + 0.5 * {other}"}
    spec = train_spec(**changes) | {"model": {"path": str(model)}, "data": data}
    run = RunFolder.create(home / "runs", "train", spec)
    return run, export(parse_spec(spec), run, "my.program", nodes, gpus, "my task.yaml")


def test_the_task_runs_the_same_folder(tmp_path):
    run, text = exported(tmp_path, "H100:8", 2, launcher="torchrun", processes=8)
    task = yaml.safe_load(text)
    assert (task["name"], task["num_nodes"], task["resources"]) == (run.id, 2, {"accelerators": "H100:8"})
    inputs = [str(tmp_path / "inputs" / name) for name in ("model", "rows.jsonl", "other.jsonl")]
    assert task["file_mounts"] == {path: path for path in [str(run.path), *inputs]}
    assert f"jobs.supervisor {run.path} 1 --foreground" in task["run"]
    assert f"jobs.executors.node {run.path} 1 my.program" in task["run"]
    assert read_json(run.attempt(1).run_json)["command"][-1] == "my.program"
    assert "sky launch -c train-0001 'my task.yaml'" in text and "setup: |" in text


def test_on_the_cpu_no_gpu_is_asked_for(tmp_path):
    _, text = exported(tmp_path, launcher="torchrun", processes=2, device="cpu")
    assert yaml.safe_load(text)["resources"] == {"cpus": "2+"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "--gpus H100:1"),
        ({"gpus": "H100:1", "nodes": 2}, "set launcher.name to torchrun"),
    ],
)
def test_what_cannot_run_is_refused_before_there_is_an_attempt(tmp_path, changes, says):
    with pytest.raises(StudioError, match=says):
        exported(tmp_path, **changes)
    assert not RunFolder(tmp_path / "runs" / "train-0001").attempt_numbers()


def test_what_is_not_here_is_named_and_not_copied(tmp_path):
    spec = train_spec(device="cpu")
    run = RunFolder.create(tmp_path / "runs", "train", spec)
    text = export(parse_spec(spec), run, "my.program")
    assert [*yaml.safe_load(text)["file_mounts"]] == [str(run.path)]
    assert "# Not copied, for it is not here: /models/x\n" in text
