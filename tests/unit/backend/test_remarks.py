"""What people write about runs: kept in the run folder, not lost to other writers, refused in a sentence."""

import threading

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from backend.api.app import create_app
from backend.remarks import NOTE_LENGTH, TAGS, Remarks, read_remarks
from backend.store import Store
from backend.store.migrations import MIGRATIONS
from jobs.protocol.errors import JobError, ResourceError, SpecError
from jobs.protocol.folder import write_json
from tests.fakes.queue import submit
from tests.fakes.studio import make_studio, train_spec

HOSTILE = ["<img src=x onerror=alert(1)>", 'a"b', "a,b", "two words", "a\nb", "", "-x", "é\ud800", "x" * 41]


@pytest.fixture
def job(studio):
    return submit(studio)


@pytest.fixture
def web(studio):
    return TestClient(create_app(studio), base_url="http://127.0.0.1:7860", raise_server_exceptions=False)


def remarks(studio, job):
    """What a view says; the run folder must say the same."""
    view = studio.jobs.get(job)
    found = Remarks(note=view.note, tags=tuple(view.tags))
    assert read_remarks(studio.jobs.folder(job)) == found
    return found


def test_tags_are_put_on_and_taken_off(studio, job):
    assert remarks(studio, job) == Remarks()
    studio.remarks.tag(job, add=["baseline", " 好 ", "lr:1e-4", "baseline"])
    studio.remarks.tag(job, add=["v2"], remove=["lr:1e-4", "never there"])
    assert remarks(studio, job).tags == ("baseline", "好", "v2")


def test_a_note_is_replaced_whole(studio, job):
    studio.remarks.write_note(job, "<b>5 % better</b>\r\n\tthan the baseline \n")
    assert remarks(studio, job).note == "<b>5 % better</b>\n\tthan the baseline"
    studio.remarks.write_note(job, "")
    assert remarks(studio, job) == Remarks()


@pytest.mark.parametrize("tag", HOSTILE)
def test_what_is_no_tag_is_refused_in_a_sentence(studio, job, tag):
    with pytest.raises(SpecError, match="is no tag: one word of letters"):
        studio.remarks.tag(job, add=["fine", tag])
    assert remarks(studio, job) == Remarks(), "all or none"


@pytest.mark.parametrize(
    ("note", "words"),
    [("x" * (NOTE_LENGTH + 1), "at most 10,000"), ("a\0b", r"U\+0000"), ("\ud800", r"U\+D800")],
)
def test_what_is_no_note_is_refused_in_a_sentence(studio, job, note, words):
    with pytest.raises(SpecError, match=words):
        studio.remarks.write_note(job, note)


def test_there_are_only_so_many_tags(studio, job):
    studio.remarks.tag(job, add=[f"t{n}" for n in range(TAGS)])
    with pytest.raises(SpecError, match="at most 20 tags; these would be 21"):
        studio.remarks.tag(job, add=["one-more"])
    studio.remarks.tag(job, add=["one-more"], remove=["t0"])


def test_writers_at_once_lose_nothing(studio_home, studio, job):
    with make_studio(studio_home) as other:
        writers = [
            threading.Thread(target=one.remarks.tag, args=(job, [f"{name}{n}"]))
            for n in range(8)
            for name, one in (("a", studio), ("b", other))
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    assert {*remarks(studio, job).tags} == {f"{name}{n}" for name in "ab" for n in range(8)}


def test_a_note_that_changed_meanwhile_is_not_written_over(studio, job):
    studio.remarks.write_note(job, "first", before="")
    studio.remarks.write_note(job, "first", before="")  # a repeated request
    with pytest.raises(JobError, match="changed elsewhere meanwhile"):
        studio.remarks.write_note(job, "second", before="")
    studio.remarks.write_note(job, "second", before="first\r\n")
    assert remarks(studio, job).note == "second"


def test_a_rebuilt_database_knows_them(studio, job):
    studio.remarks.tag(job, add=["keep"])
    studio.remarks.write_note(job, "mine")
    by_hand = submit(studio)
    write_json(studio.jobs.folder(by_hand).remarks_json, {"note": 5, "tags": ["fine", "not fine", 7]})
    studio.jobs.rebuild()
    assert remarks(studio, job) == Remarks(note="mine", tags=("keep",))
    assert remarks(studio, by_hand) == Remarks(tags=("fine",))


def test_a_folder_that_cannot_be_written_says_so(studio, job, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("backend.remarks.write_json", refuse)
    with pytest.raises(ResourceError, match=rf"{job} cannot be written: Permission denied"):
        studio.remarks.tag(job, add=["a"])
    assert remarks(studio, job) == Remarks()


def test_of_a_run_that_is_gone(studio, job):
    studio.jobs.folder(job).path.rename(studio.runs / "elsewhere")
    with pytest.raises(JobError, match="deleted meanwhile"):
        studio.remarks.write_note(job, "too late")
    with pytest.raises(JobError, match="There is no job"):
        studio.remarks.tag("train-0099", add=["a"])


def test_tags_in_use_and_the_runs_that_have_them(studio):
    a, b = submit(studio), submit(studio)
    studio.remarks.tag(a, add=["good", "v2"])
    studio.remarks.tag(b, add=["good", "v2x", "Good"])
    assert studio.remarks.tags() == {"good": 2, "Good": 1, "v2": 1, "v2x": 1}
    found = {
        tag: [job.id for job in studio.jobs.list(tags=tag.split())] for tag in ("v2", "good v2x", "ood", '"')
    }
    assert found == {"v2": [a], "good v2x": [b], "ood": [], '"': []}


def test_a_database_of_an_older_version_gets_them(studio_home):
    first = Store(studio_home)
    with first.write() as conn:
        conn.execute(text("DROP INDEX IF EXISTS jobs_listed"))
        conn.execute(text("ALTER TABLE jobs DROP COLUMN note"))
        conn.execute(text("ALTER TABLE jobs DROP COLUMN tags"))
        conn.execute(text(f"PRAGMA user_version = {len(MIGRATIONS) - 1}"))
    first.close()
    with make_studio(studio_home) as studio:
        assert remarks(studio, submit(studio)) == Remarks()


def test_the_routes(web, studio):
    job = web.post("/api/jobs", json={"spec": train_spec(), "tags": ["first"]}).json()
    assert job["tags"] == ["first"] and "tags" not in job["spec"]
    path = f"/api/jobs/{job['id']}"
    assert web.post(f"{path}/tags", json={"add": ["x"], "remove": ["first"]}).json()["tags"] == ["x"]
    assert web.post(f"{path}/note", json={"note": "one", "before": ""}).json()["note"] == "one"
    assert web.post(f"{path}/note", json={"note": "two", "before": ""}).status_code == 409
    assert web.get("/api/tags").json() == {"tags": {"x": 1}}
    assert [one["id"] for one in web.get("/api/jobs?tag=x").json()["jobs"]] == [job["id"]]
    assert web.get("/api/jobs?tag=y").json()["jobs"] == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("{job}/tags", {"add": ["two words"]}, 400),
        ("{job}/tags", {"add": ["x"] * 100}, 400),
        ("{job}/tags", {"added": ["x"]}, 400),
        ("{job}/tags", {"add": ["x" * 5000]}, 400),
        ("{job}/note", {"note": "x" * 15_000}, 400),
        ("{job}/note", {"note": "x" * 500_000}, 400),
        ("{job}/note", {}, 400),
        ("train-0099/note", {"note": "x"}, 404),
        ("train-0099/tags", {"add": ["x"]}, 404),
    ],
)
def test_what_the_routes_refuse(web, studio, job, path, body, status):
    answer = web.post(f"/api/jobs/{path.format(job=job)}", json=body)
    assert answer.status_code == status and len(answer.json()["error"]) < 300
    assert remarks(studio, job) == Remarks()


def test_a_wrong_tag_starts_no_job(web, studio):
    assert web.post("/api/jobs", json={"spec": train_spec(), "tags": ["a b"]}).status_code == 400
    assert studio.jobs.list() == []
