"""Pipelines and sweeps from the command line."""

import json

import pytest
import yaml

from tests.unit.studio.conftest import TRAIN, trained

SWEEP = {"kind": "sweep", "base": yaml.safe_load(TRAIN), "grid": {"optimisation.seed": [1, 2, 3]}}


@pytest.fixture
def sweep(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(SWEEP))
    return str(path)


def second_fails(run, attempt):
    return 1 if run.spec()["optimisation"]["seed"] == 2 and attempt.number == 1 else trained(run, attempt)


@pytest.mark.thorough
def test_run_compare_and_rerun(studio, sweep, program):
    program["train"] = second_fails
    code, out, err = studio("run", sweep, "--wait")
    assert (code, out.splitlines()[0]) == (1, "sweep-0001")
    assert "train-0002 failed" in err and "studio rerun sweep-0001 --wait" in err
    code, out, _ = studio("groups", "sweep-0001")
    assert code == 0 and "seed=2" in out and "2 succeeded, 1 failed" in out
    code, out, err = studio("rerun", "sweep-0001", "--wait")
    assert code == 0 and "Queued again: train-0002." in err and "3 succeeded" in out
    (found,) = json.loads(studio("groups", "--json")[1])
    assert (found["id"], found["state"], found["name"]) == ("sweep-0001", "succeeded", "tiny")
    assert "sweep-0001" in studio("groups")[1]


def test_without_wait_it_is_queued(studio, sweep):
    code, out, err = studio("run", sweep, "--set", "name=seeds")
    assert (code, out) == (0, "sweep-0001\n") and "3 jobs: train-0001" in err and "studio launch" in err


def test_hold_release_stop_and_delete_take_its_id(studio, sweep, studio_home):
    studio("run", sweep)
    out = studio("hold", "sweep-0001")[1]
    assert out.count("is number") == 3
    assert "train-0003" in studio("release", "sweep-0001")[1]
    assert studio("stop", "sweep-0001")[1].count("is stopped") == 3
    code, out, _ = studio("delete", "--yes", "sweep-0001")
    assert code == 0 and out.count("is deleted") == 3 and not list((studio_home / "runs").glob("train-*"))


def test_an_estimate_names_every_job_and_starts_nothing(studio, sweep):
    code, out, _ = studio("run", sweep, "--estimate")
    assert code == 0 and len(out.splitlines()) == 3 and out.startswith("seed=1: memory on each device, about")
    assert studio("groups")[1] == ""


def test_a_group_is_not_probed(studio, sweep):
    code, _, err = studio("run", sweep, "--probe")
    assert code == 2 and "--probe measures one training" in err


def test_an_unknown_group_is_told(studio):
    code, _, err = studio("rerun", "sweep-0009")
    assert code == 2 and "There is no pipeline or sweep 'sweep-0009'" in err
