"""/api/disk: what the home folder holds, measured now and then."""

from fastapi.testclient import TestClient

from backend.api.app import create_app
from backend.services.disk_use import DiskUseService
from tests.fakes.queue import Clock
from tests.fakes.studio import make_studio


def test_runs_count_by_their_bytes(studio_home):
    with make_studio(studio_home) as studio:
        web = TestClient(create_app(studio), base_url="http://127.0.0.1:7860")
        before = web.get("/api/disk").json()
        (studio.runs / "train-0001").mkdir(parents=True)
        (studio.runs / "train-0001" / "weights").write_bytes(bytes(1000))
        assert web.get("/api/disk").json()["runs"] == before["runs"], "not measured for each who asks"
        after = web.get("/api/disk?fresh=true").json()
        assert after["runs"] == before["runs"] + 1000 and after["prepared"] == 0 and after["free"] > 0


def test_a_measurement_gets_old(tmp_path, monkeypatch):
    clock, walks = Clock(), []

    def slow(folders):
        walks.append(folders)
        clock.now += 2.0
        return 7

    monkeypatch.setattr("backend.services.disk_use.folder_size", slow)
    use = DiskUseService(tmp_path, tmp_path / "runs", tmp_path / "prepared", clock)
    assert (use.now().runs, use.now().age) == (7, 0.0)
    clock.now += 150
    assert use.now().age == 150.0 and len(walks) == 1, "it took 2 s, so it is good for 200"
    clock.now += 60
    assert use.now().age == 0.0 and len(walks) == 2
