"""What each route answers, and that what is wrong comes back as one sentence."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from backend.api import app as app_module
from backend.api.app import ROUTERS, create_app
from backend.studio import Studio
from jobs.protocol import trajectory
from jobs.protocol.folder import RunFolder
from tests.fakes.studio import make_studio, train_spec

SUDOKU = {
    "kind": "train",
    "model": {"new": {"architecture": "gpt2", "tokenizer": "characters:1234"}},
    "data": {"builder": "sudoku", "options": {"size": 4}},
}


@pytest.fixture
def studio(studio_home: Path) -> Iterator[Studio]:
    with make_studio(studio_home) as studio:
        yield studio


@pytest.fixture
def web(studio: Studio) -> TestClient:
    app = create_app(studio)
    return TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False)


@pytest.fixture(scope="module")
def still_web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """For requests that are all refused."""
    with make_studio(tmp_path_factory.mktemp("home")) as studio:
        yield TestClient(create_app(studio), base_url="http://127.0.0.1:7860", raise_server_exceptions=False)


def test_reading_changes_nothing(web: TestClient, studio: Studio):
    """No GET route has a body that acts: after all of them nothing is there that was not there before."""
    before = sorted(p for p in studio.home.rglob("*") if "studio.db" not in p.name)
    paths = ["/api/health", "/api/jobs", "/api/models", "/api/datasets", "/api/recipes", "/api/devices"]
    paths += [
        "/api/samples",
        "/api/serving",
        "/api/specs/train",
        "/api/recipes/sudoku-4x4",
        "/api/openapi.json",
    ]
    for path in paths:
        answer = web.get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert isinstance(answer.json(), dict)
    assert sorted(p for p in studio.home.rglob("*") if "studio.db" not in p.name) == before


def test_a_job_from_submit_to_delete(web: TestClient):
    made = web.post("/api/jobs", json={"spec": train_spec("Mine"), "request_id": "r1"})
    assert made.status_code == 201 and made.json()["id"] == "train-0001" and made.json()["state"] == "queued"
    again = web.post("/api/jobs", json={"spec": train_spec("Mine"), "request_id": "r1"})
    assert again.json()["id"] == "train-0001"
    assert [job["id"] for job in web.get("/api/jobs?state=queued&kind=train").json()["jobs"]] == [
        "train-0001"
    ]
    assert web.get("/api/jobs?state=running").json()["jobs"] == []
    assert web.get("/api/jobs/train-0001").json()["name"] == "Mine"
    assert web.delete("/api/jobs/train-0001").status_code == 409
    assert web.post("/api/jobs/train-0001/stop", json={"grace": 3}).json()["state"] == "stopped"
    assert web.post("/api/jobs/train-0001/resume").json()["state"] == "queued"
    assert web.post("/api/jobs/train-0001/stop").status_code == 200
    assert web.delete("/api/jobs/train-0001").json() == {"deleted": "train-0001"}
    assert web.get("/api/jobs/train-0001").status_code == 404


def test_turns_in_the_queue(web: TestClient):
    first, second = (web.post("/api/jobs", json={"spec": train_spec()}).json()["id"] for _ in range(2))

    def ask(job: str, what: str, **body):
        answer = web.post(f"/api/jobs/{job}/{what}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert ask(first, "hold")["held"] and not ask(first, "release")["held"]
    assert ask(second, "move", before=first)["queue_position"] == 1
    assert ask(second, "move", to="bottom")["queue_position"] == 2
    view = ask(second, "priority", priority=-4)
    assert (view["priority"], view["queue_position"]) == (-4, 2)
    view = web.post("/api/jobs", json={"spec": train_spec(queue={"after": [first], "group": "g-1"})}).json()
    assert (view["after"], view["group"]) == ([first], "g-1")
    assert view["waiting"] == f"Waits for the end of {first} (queued)."
    web.post(f"/api/jobs/{second}/stop")
    assert web.post(f"/api/jobs/{second}/hold").status_code == 409


def test_what_a_job_wrote(web: TestClient, studio: Studio):
    web.post("/api/jobs", json={"spec": train_spec()})
    run = RunFolder(studio.runs / "train-0001")
    run.new_attempt().log.write_text("first\nsecond\n")
    assert web.get("/api/jobs/train-0001/log?attempt=1&offset=6").json() == {"text": "second\n", "offset": 13}
    assert web.get("/api/jobs/train-0001/metrics?names=loss").json() == {"metrics": {}}
    assert web.get("/api/jobs/train-0001/levels").json() == {"levels": [], "validation_levels": []}
    assert web.get("/api/jobs/train-0001/events").json() == {"events": [], "offset": 0}
    assert web.get("/api/jobs/train-0001/checkpoints").json() == {"checkpoints": []}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/nothing", None, 404),
        ("GET", "/api/jobs/train-9999", None, 404),
        ("GET", "/api/jobs/..%2f..%2fetc/log", None, 404),
        ("GET", "/api/jobs?state=dancing", None, 400),
        ("GET", "/api/jobs?limit=0", None, 400),
        ("POST", "/api/jobs", None, 400),
        ("POST", "/api/jobs", {"spec": {"kind": "trian"}}, 400),
        ("POST", "/api/jobs", {"spec": {**train_spec(), "modle": 1}}, 400),
        ("POST", "/api/jobs/train-9999/stop", {}, 404),
        ("POST", "/api/jobs/train-9999/resume", None, 404),
        ("POST", "/api/jobs/train-9999/hold", None, 404),
        ("POST", "/api/jobs/train-9999/release", None, 404),
        ("POST", "/api/jobs/train-9999/priority", {"priority": 1}, 404),
        ("POST", "/api/jobs/train-9999/move", {"to": "top"}, 404),
        ("DELETE", "/api/jobs/train-9999", None, 404),
        ("GET", "/api/models/view?name=nope", None, 404),
        ("GET", "/api/datasets/preview?name=..%2f..%2fetc%2fpasswd", None, 400),
        ("GET", "/api/recipes/nope", None, 404),
        ("POST", "/api/recipes", {"name": "../x", "spec": SUDOKU}, 400),
        ("GET", "/api/specs/nope", None, 404),
        ("GET", "/api/samples/nope", None, 404),
        ("GET", "/api/samples/nope/file", None, 404),
        ("POST", "/api/samples/nope/cancel", None, 409),
        ("POST", "/api/samples/nope/pause", None, 409),
        ("POST", "/api/samples/nope/resume", None, 409),
        ("POST", "/api/samples/nope/branch", {"step": 1}, 409),
        ("POST", "/api/sample", {"model": "no-such-model", "prompt": "a"}, 400),
        ("POST", "/api/sample", {"model": "x"}, 400),
        ("POST", "/api/serving/unload", {"model": "x"}, 409),
        ("GET", "/api/events", None, 400),
        ("GET", "/api/events?topics=,", None, 400),
        ("PUT", "/api/jobs", None, 405),
    ],
)
def test_what_is_wrong_is_one_sentence(
    still_web: TestClient, method: str, path: str, body: dict | None, status: int
):
    answer = still_web.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"error"} and answer.json()["error"]
    assert "Traceback" not in answer.text


def test_our_own_mistake_is_a_number_in_the_log(web: TestClient, studio: Studio, monkeypatch, caplog):
    def broken(_):
        raise KeyError("a secret detail")

    monkeypatch.setattr(studio.jobs, "get", broken)
    answer = web.get("/api/jobs/train-0001")
    assert answer.status_code == 500 and "secret" not in answer.text
    assert answer.json()["id"] in caplog.text and "secret" in caplog.text


def test_checking_a_spec(web: TestClient):
    good = web.post("/api/specs/check", json={"spec": SUDOKU}).json()
    assert good["problem"] == "" and "-m tests.fakes.trainer" in good["command_text"]
    text = web.post("/api/specs/check", json={"yaml": good["yaml"]}).json()
    assert text["yaml"] == good["yaml"]
    for wrong in ({"spec": {"kind": "x"}}, {"yaml": "a: ["}, {"yaml": "3"}, {}):
        answer = web.post("/api/specs/check", json=wrong)
        assert answer.status_code == 200 and answer.json()["problem"]


def test_a_probe_is_a_job_of_three_steps(web: TestClient):
    job = web.post("/api/jobs", json={"spec": SUDOKU, "probe": True})
    assert job.status_code == 201, job.text
    assert (
        job.json()["spec"]["optimisation"]["steps"] == 3 and job.json()["spec"]["report"]["probe_of"] == 1000
    )


def test_checking_a_training_estimates_it(web: TestClient):
    need = web.post("/api/specs/check", json={"spec": SUDOKU}).json()["need"]
    assert need["values"] > 80e6 and need["lines"] and set(need["device"]) >= {"weights", "optimizer"}


def test_recipes(web: TestClient):
    assert web.get("/api/recipes/llada/sft").json()["group"] == "llada"
    saved = web.post("/api/recipes", json={"name": "mine", "spec": SUDOKU, "title": "Mine"})
    assert saved.status_code == 201 and saved.json()["title"] == "Mine"
    assert "mine" in [recipe["name"] for recipe in web.get("/api/recipes").json()["recipes"]]


def test_a_whole_sample(web: TestClient, studio: Studio):
    web.post("/api/jobs", json={"spec": {"kind": "serve"}})
    run = RunFolder(studio.runs / "serve-0001")
    run.samples.mkdir()
    lines = [{"type": "start", "prompt": "Once"}, {"type": "end", "reason": "finished"}]
    run.sample("serve-0001_a").write_text("".join(trajectory.encode(line) for line in lines))
    answer = web.get("/api/samples/serve-0001_a").json()
    assert answer["lines"] == lines and answer["done"]
    assert web.get("/api/samples/serve-0001_a/file").text.count("\n") == 2
    assert web.get("/api/samples").json()["samples"][0]["prompt"] == "Once"
    assert web.get("/api/samples/serve-0001_b").json() == {
        "request": "serve-0001_b",
        "lines": [],
        "done": False,
        "phase": "waiting for its turn",
    }


def test_each_route_file_is_in_the_table():
    folder = Path(app_module.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if "APIRouter" in path.read_text()}
    assert files == set(ROUTERS)
