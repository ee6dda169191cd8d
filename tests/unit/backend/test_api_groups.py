"""/api/groups, from a check to the end."""

import pytest
from fastapi.testclient import TestClient

from backend.api.app import create_app
from backend.studio import Studio
from jobs.executors import InlineExecutor
from tests.fakes.studio import slots

TRAIN = {
    "kind": "train",
    "model": {"new": {"architecture": "gpt2", "tokenizer": "characters:1234"}},
    "data": {"builder": "sudoku", "options": {"size": 4}},
}
SWEEP = {"kind": "sweep", "name": "Seeds", "base": TRAIN, "grid": {"optimisation.seed": [1, 2]}}


@pytest.fixture
def web(studio_home):
    with Studio(studio_home, executor=InlineExecutor(), census=slots(2)) as studio:
        yield TestClient(create_app(studio), base_url="http://127.0.0.1:7860", raise_server_exceptions=False)


def test_a_sweep_from_check_to_delete(web):
    checked = web.post("/api/groups/check", json={"spec": SWEEP}).json()["jobs"]
    assert [job["problem"] for job in checked] == ["", ""] and checked[0]["need"]["values"]
    made = web.post("/api/groups", json={"spec": SWEEP, "request_id": "a"})
    assert made.status_code == 201 and made.json()["counts"] == {"queued": 2}
    assert web.post("/api/groups", json={"spec": SWEEP, "request_id": "a"}).json()["id"] == "sweep-0001"
    shown = web.get("/api/groups/sweep-0001").json()
    assert shown["comparison"]["fields"] == ["optimisation.seed"]
    assert [row["settings"] for row in shown["comparison"]["rows"]] == [
        {"optimisation.seed": 1},
        {"optimisation.seed": 2},
    ]
    assert web.delete("/api/groups/sweep-0001").status_code == 409, "nothing of it has ended"
    stopped = web.post("/api/groups/sweep-0001/stop", json={"grace": 1}).json()["jobs"]
    assert {job["state"] for job in stopped} == {"stopped"}
    again = web.post("/api/groups/sweep-0001/rerun").json()["jobs"]
    assert [job["id"] for job in again] == ["train-0001", "train-0002"]
    web.post("/api/groups/sweep-0001/stop")
    assert web.delete("/api/groups/sweep-0001").json() == {"deleted": "sweep-0001"}
    assert web.get("/api/groups").json() == {"groups": []}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (TRAIN, "kind must be pipeline or sweep"),
        ({**SWEEP, "grid": {"optimisation.seeed": [1]}}, "Did you mean 'seed'"),
        ({**SWEEP, "gird": {}}, "Did you mean 'grid'"),
    ],
)
def test_what_is_wrong_comes_back_as_a_sentence(web, spec, words):
    answer = web.post("/api/groups", json={"spec": spec})
    assert answer.status_code == 400 and words in answer.json()["error"]


def test_an_unknown_group_is_not_found(web):
    assert web.get("/api/groups/sweep-0009").status_code == 404
