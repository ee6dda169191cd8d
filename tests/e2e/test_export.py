"""A job as a task of SkyPilot: its script run by hand on two machines, and the task read by SkyPilot."""

import os
import subprocess
import sys

import pytest
import yaml

from jobs.executors.skypilot import export
from jobs.protocol.folder import RunFolder, read_json
from jobs.specs.load import parse_spec
from tests.fakes.programs import environment, events
from tests.fakes.studio import train_spec

pytestmark = pytest.mark.e2e


@pytest.fixture
def run(studio_home):
    spec = train_spec("steps=3", launcher="torchrun", device="cpu")
    (studio_home / "model").mkdir(parents=True)
    (studio_home / "rows.jsonl").touch()
    spec |= {"model": {"path": str(studio_home / "model")}}
    spec |= {"data": {"path": str(studio_home / "rows.jsonl")}}
    spec["data"]["path"] = '"' + spec["data"]["path"].replace('"', '\\"') + '"'  # a mix quotes such a name
    return RunFolder.create(studio_home / "runs", "train", spec)


def task(run: RunFolder) -> str:
    return export(parse_spec(run.spec()), run, "tests.fakes.trainer", nodes=2)


def test_its_script_trains_on_two_machines(run, tmp_path):
    (tmp_path / "dllm-studio").symlink_to(sys.prefix)  # the environment that its setup would make
    script = yaml.safe_load(task(run))["run"]
    env = environment(HOME=str(tmp_path), SKYPILOT_NODE_IPS="127.0.0.1\n127.0.0.1", PYTHONPATH=os.getcwd())
    nodes = [
        subprocess.Popen(["bash", "-c", script], env=env | {"SKYPILOT_NODE_RANK": str(rank)})
        for rank in (0, 1)
    ]
    assert [node.wait(90) for node in nodes] == [0, 0]
    assert read_json(run.attempt(1).exit_json)["code"] == 0
    assert [event["text"] for event in events(run, "phase")] == ["training in 2"]
    assert read_json(run.result_json)["status"] == "succeeded"


def test_skypilot_itself_reads_the_task(run, tmp_path):
    """SKYPILOT_PYTHON: an interpreter with SkyPilot, which wants 90 packages and does not go with ours."""
    python = os.environ.get("SKYPILOT_PYTHON")
    if python is None:
        if os.environ.get("CI") == "true":
            pytest.fail("SKYPILOT_PYTHON is not set; .ci/run does so")
        pytest.skip("SKYPILOT_PYTHON names no interpreter with SkyPilot")
    path = tmp_path / "task.yaml"
    path.write_text(task(run))
    read = "import sys, sky; task = sky.Task.from_yaml(sys.argv[1]); print(task.num_nodes, *task.file_mounts)"
    env = environment(HOME=str(tmp_path), SKYPILOT_DISABLE_USAGE_COLLECTION="1")
    found = subprocess.run([python, "-c", read, path], env=env, capture_output=True, text=True, cwd=tmp_path)
    assert found.stdout.startswith(f"2 {run.path}"), found.stderr
    path.write_text(path.read_text().replace("num_nodes", "nodes"))
    refused = subprocess.run(
        [python, "-c", read, path], env=env, capture_output=True, text=True, cwd=tmp_path
    )
    assert "Invalid task YAML" in refused.stderr, "it does check"
