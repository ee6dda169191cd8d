"""/api/disk: what the home folder holds."""

from fastapi.testclient import TestClient

from backend.api.app import create_app
from tests.fakes.studio import make_studio


def test_runs_count_by_their_bytes(studio_home):
    with make_studio(studio_home) as studio:
        web = TestClient(create_app(studio), base_url="http://127.0.0.1:7860")
        before = web.get("/api/disk").json()
        (studio.runs / "train-0001").mkdir(parents=True)
        (studio.runs / "train-0001" / "weights").write_bytes(bytes(1000))
        after = web.get("/api/disk").json()
        assert after["runs"] == before["runs"] + 1000 and after["prepared"] == 0 and after["free"] > 0
