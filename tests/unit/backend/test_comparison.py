"""Runs side by side: what differs, what is the same, and what came of each."""

import pytest
from fastapi.testclient import TestClient

from backend.api.app import create_app
from backend.services.comparison import compare, members
from jobs.protocol.events import EventWriter
from jobs.protocol.folder import write_json
from tests.fakes.studio import train_spec

HOSTILE = "<img src=x onerror=alert(1)>"


def trained(run, attempt):
    """Falls to the learning rate; runs named `unmeasured` tell nothing."""
    spec, events = run.spec(), EventWriter(run.events, attempt.number)
    if spec["name"] != "unmeasured":
        rate = spec["optimisation"]["learning_rate"]
        for step, loss in ((1, 2.0), (2, rate), (3, 2 * rate)):
            events.write("metrics", step=step, values={"loss": loss})
        if spec["name"] == HOSTILE:
            events.write("metrics", step=3, values={"validation_loss": 0.5})
    write_json(run.result_json, {"attempt": attempt.number, "status": "succeeded"})
    return 0


@pytest.fixture
def trains():
    return trained


@pytest.fixture
def runs(studio, carry_out):
    """Two that are measured, one of them validated too, and one that is not."""
    specs = [
        {**train_spec(name, queue={"group": group}), "optimisation": {"learning_rate": rate}}
        for name, group, rate in (("", "hand", 1e-3), (HOSTILE, "hand", 1e-4), ("unmeasured", "", 1e-4))
    ]
    ids = [studio.jobs.submit(spec).id for spec in specs]
    carry_out()
    return ids


def test_what_differs_and_what_is_the_same(studio, runs):
    found = compare(studio.store, runs)
    assert found.fields == ["optimisation.learning_rate"]
    assert found.same["model.path"] == "/models/x" and "name" not in found.same
    assert [row.settings["optimisation.learning_rate"] for row in found.rows] == [1e-3, 1e-4, 1e-4]
    assert [(row.name, row.kind) for row in found.rows][1] == (HOSTILE, "train")
    assert found.metrics[:4] == ["validation_loss", "best_validation_loss", "loss", "best_loss"]
    assert found.curves == ["loss", "validation_loss"], "what most runs have comes first"
    assert found.rows[0].results["best_loss"] == 1e-3 and "loss" not in found.rows[2].results


def test_they_come_as_they_were_asked_for_and_once(studio, runs):
    found = compare(studio.store, [runs[2], "train-0099", runs[0], runs[2], "train-0099"])
    assert [row.job for row in found.rows] == [runs[2], runs[0]]
    assert found.gone == ["train-0099"]


def test_one_run_differs_from_nothing(studio, runs):
    found = compare(studio.store, runs[:1])
    assert (found.fields, found.gone) == ([], [])
    assert found.same["optimisation.learning_rate"] == 1e-3


def test_the_members_of_a_group(studio, runs):
    assert members(studio.store, "hand") == runs[:2]
    assert members(studio.store, "") == [], "jobs that stand alone are no group"


def test_the_route_takes_runs_or_a_group(studio, runs):
    web = TestClient(create_app(studio), base_url="http://127.0.0.1:7860")
    named = web.get("/api/compare", params={"runs": ",".join(runs[:2])}).json()
    assert named == web.get("/api/compare?group=hand").json()
    assert web.get("/api/compare?group=sweep-0009").status_code == 404
    assert "name 1 to" in web.get("/api/compare").json()["error"]
