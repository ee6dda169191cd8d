"""studio export on the command line."""

import json
from pathlib import Path

import pytest
import yaml

from jobs.specs.load import parse_spec, read_yaml


def test_a_spec_becomes_a_task_and_a_folder_that_waits(studio, spec, tmp_path):
    task = tmp_path / "task.yaml"
    code, out, _ = studio("export", spec, "--to", "skypilot", "-o", str(task), "--gpus", "A100:1")
    assert code == 0 and "its first lines say how" in out
    (folder, *_) = yaml.safe_load(task.read_text())["file_mounts"]
    assert parse_spec(read_yaml(Path(folder) / "spec.json")).name == "tiny"
    (job,) = json.loads(studio("jobs", "--json")[1])
    assert (job["state"], job["reason"][:24]) == ("stopped", "It went to SkyPilot and "), "not started here"
    code, _, err = studio("export", spec, "-o", str(task), "--gpus", "A100:1")
    assert code == 2 and "there already" in err


def test_a_job_that_has_ended_goes_on_elsewhere(studio, spec, tmp_path):
    run = studio("run", spec, "--wait")[1].split()[0]
    task = tmp_path / "task.yaml"
    assert studio("export", run, "-o", str(task), "--gpus", "A100:1")[0] == 0
    assert f"{run}' 2 --foreground" in task.read_text(), "as its second attempt"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "--gpus H100:1"),
        (["--gpus", "A100:1", "--nodes", "2"], "set launcher.name to torchrun"),
        (["--gpus", "A100:1", "--set", "model.path=nowhere", "--set", "model.new=null"], "no model"),
    ],
)
def test_what_cannot_go_makes_no_folder(studio, spec, tmp_path, studio_home, words, says):
    code, _, err = studio("export", spec, "-o", str(tmp_path / "task.yaml"), *words)
    assert code == 2 and says in err
    assert not list((studio_home / "runs").glob("train-*"))
