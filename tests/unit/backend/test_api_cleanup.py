"""/api/cleanup: a plan first, then what was agreed to."""

from fastapi.testclient import TestClient

from backend.api.app import create_app
from jobs.executors import InlineExecutor
from tests.fakes.studio import make_studio, train_spec


def test_only_what_was_agreed_to_goes(studio_home):
    with make_studio(studio_home, executor=InlineExecutor()) as studio:
        web = TestClient(create_app(studio), base_url="http://127.0.0.1:7860", raise_server_exceptions=False)
        ids = [studio.jobs.submit(train_spec()).id for _ in range(3)]
        for job_id in ids[:2]:
            studio.jobs.stop(job_id)
        wish = {"older_than": 0}
        plan = web.post("/api/cleanup/plan", json=wish).json()
        assert [item["name"] for item in plan["items"]] == ids[:2] and len(studio.jobs.list()) == 3
        gone = web.post("/api/cleanup", json={**wish, "names": ids[1:]}).json()
        assert [item["name"] for item in gone["items"]] == [ids[1]]
        assert {job.id for job in studio.jobs.list()} == {ids[0], ids[2]}
        assert web.post("/api/cleanup", json=wish).status_code == 400, "the names are not left out"
        assert web.post("/api/cleanup/plan", json={"older": 0}).status_code == 400
