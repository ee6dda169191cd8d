"""/api/jobs as a list: filters out of the address, and what is done to many jobs at once."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert

from backend.api.app import create_app
from backend.store.tables import jobs
from tests.fakes.queue import state, submit
from tests.fakes.studio import job_row


@pytest.fixture
def web(studio) -> TestClient:
    return TestClient(create_app(studio), base_url="http://127.0.0.1:7860", raise_server_exceptions=False)


def test_an_address_names_the_filters(web: TestClient, studio):
    rows = [job_row(f"train-{n:04d}", created_at=float(n), name=f"run {n}") for n in range(1, 8)]
    rows += [job_row("convert-0001", kind="convert", group="pipeline-0001", tags='["Ü"]')]
    with studio.store.write() as conn:
        for row in rows:
            conn.execute(insert(jobs).values(row))
    page = web.get("/api/jobs?search=run&state=succeeded&kind=train&limit=2&offset=4&order=oldest").json()
    assert [job["id"] for job in page["jobs"]] == ["train-0005", "train-0006"]
    assert page["total"] == 7 and page["states"] == {"succeeded": 7} and page["groups"] == {}
    folded = web.get("/api/jobs?fold=true&tag=%C3%9C").json()
    assert folded["groups"]["pipeline-0001"]["kind"] == "pipeline"
    (brief,) = web.get("/api/jobs/matching?group=pipeline-0001").json()["jobs"]
    assert brief["id"] == "convert-0001" and brief["resumable"] is False


def test_what_cannot_be_done_to_one_is_told_and_the_others_go_on(web: TestClient, studio, carry_out):
    ended, first, second = submit(studio), submit(studio, hold=True), submit(studio, hold=True)
    carry_out()

    def bulk(action: str, *ids: str, **more):
        answer = web.post("/api/jobs/bulk", json={"action": action, "ids": ids, **more})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        return told["done"], {one["id"]: one["why"] for one in told["refused"]}

    done, refused = bulk("tag", ended, first, "train-9999", add=["x"])
    assert done == [ended, first] and "no job" in refused["train-9999"]
    assert bulk("tag", ended, add=["two words"])[1][ended].startswith("'two words' is no tag")
    done, refused = bulk("release", ended, first)
    assert done == [first] and "succeeded" in refused[ended]
    assert bulk("hold", first, first)[0] == [first], "each once"
    done, refused = bulk("delete", ended, first)
    assert done == [ended] and "stop it" in refused[first]
    done, refused = bulk("stop", ended, first, second)
    assert done == [first, second] and "no job" in refused[ended]
    assert "has ended" in bulk("stop", first)[1][first]
    assert bulk("resume", first)[0] == [first] and state(studio, first) == "queued"


def test_of_two_who_delete_the_same_one_is_told(web: TestClient, studio, carry_out):
    ids = [submit(studio) for _ in range(3)]
    carry_out()
    wish = {"action": "delete", "ids": ids}
    assert web.post("/api/jobs/bulk", json=wish).json() == {"done": ids, "refused": []}
    again = web.post("/api/jobs/bulk", json=wish).json()
    assert again["done"] == [] and [one["id"] for one in again["refused"]] == ids


@pytest.mark.parametrize("query", [f"offset={10**20}", "tag=x&" * 1001])
def test_more_than_the_database_takes_is_refused(web: TestClient, query: str):
    assert web.get(f"/api/jobs?{query}").status_code == 400


@pytest.mark.parametrize(
    "wish",
    [
        {"action": "explode", "ids": ["train-0001"]},
        {"action": "stop", "ids": []},
        {"action": "stop", "ids": ["x"] * 1001},
        {"action": "stop", "ids": ["x"], "more": 1},
    ],
)
def test_a_wrong_wish_is_refused_as_a_whole(web: TestClient, wish):
    assert web.post("/api/jobs/bulk", json=wish).status_code == 400
