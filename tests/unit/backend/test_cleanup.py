"""Clearing away: what has ended and is the studio's, and never anything else."""

import os
import time

import pytest
from sqlalchemy import update

from backend.services.cleanup import Wish
from backend.store.tables import jobs as job_rows
from jobs.executors import InlineExecutor
from jobs.protocol.folder import write_json
from jobs.protocol.states import State
from tests.fakes.studio import make_studio, train_spec

DAY = 86_400
KB = 1000


@pytest.fixture
def studio(studio_home):
    with make_studio(studio_home, executor=InlineExecutor()) as studio:
        yield studio


def ended(studio, days=0, kilobytes=10, state=State.SUCCEEDED, **spec):
    """A run that ended so many days ago and holds so much, in a checkpoint."""
    job = studio.jobs.submit({**train_spec(), **spec})
    with studio.store.write() as conn:
        values = {"state": state.value, "ended_at": time.time() - days * DAY}
        conn.execute(update(job_rows).where(job_rows.c.id == job.id).values(values))
    folder = studio.jobs.folder(job.id).checkpoints / "checkpoint-1"
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(bytes(kilobytes * KB))
    return job.id


def names(plan):
    return [item.name for item in plan.items]


def old(days=30, **more):
    return Wish(older_than=days * DAY, **more)


def test_only_what_ended_long_enough_ago(studio):
    young, aged = ended(studio, days=29), ended(studio, days=31)
    studio.jobs.submit(train_spec())  # waits
    plan = studio.cleanup.plan(old())
    assert names(plan) == [aged] and plan.size_bytes > 10 * KB
    assert len(studio.jobs.list()) == 3, "a plan changes nothing"
    assert names(studio.cleanup.carry_out(old())) == [aged]
    assert not (studio.runs / aged).exists() and (studio.runs / young).exists()


def test_the_oldest_go_until_the_rest_fits(studio):
    runs = [ended(studio, days=days, kilobytes=100) for days in (3, 2, 1)]
    assert names(studio.cleanup.plan(Wish(keep_bytes=250 * KB))) == runs[:1]
    assert names(studio.cleanup.plan(Wish(keep_bytes=150 * KB))) == runs[:2]
    assert names(studio.cleanup.plan(Wish(keep_bytes=10**9))) == []
    assert names(studio.cleanup.plan(Wish())) == []


@pytest.mark.parametrize("state", [State.QUEUED, State.STARTING, State.RUNNING, State.STOPPING])
def test_what_has_not_ended_stays(studio, state):
    ended(studio, days=99, state=state)
    assert names(studio.cleanup.plan(old(0))) == names(studio.cleanup.plan(Wish(keep_bytes=0))) == []


@pytest.mark.parametrize("change", [{}, {"checkpoints_only": True}, {"sources": True}])
def test_what_is_tagged_keep_stays(studio, change):
    kept, other = ended(studio, days=40), ended(studio, days=40)
    studio.remarks.tag(kept, add=["keep"])
    studio.remarks.tag(other, add=["keep-it"])
    plan = studio.cleanup.plan(old(**change))
    assert names(plan) == [other]
    assert [(one.name, one.why) for one in plan.kept] == [(kept, "It has the tag keep.")]


@pytest.mark.parametrize("change", [{}, {"checkpoints_only": True}])
def test_what_is_tagged_keep_while_others_are_deleted_stays(studio, monkeypatch, change):
    runs = [ended(studio, days=days) for days in (42, 41)]
    delete = studio.cleanup._delete

    def slowly(item):
        delete(item)
        studio.remarks.tag(runs[1], add=["keep"])

    monkeypatch.setattr(studio.cleanup, "_delete", slowly)
    done = studio.cleanup.carry_out(old(**change))
    assert names(done) == runs[:1]
    assert [(one.name, one.why) for one in done.kept] == [(runs[1], "It has the tag keep.")]
    assert studio.jobs.folder(runs[1]).checkpoints.exists()


def test_what_others_came_from_stays_unless_one_says_so(studio):
    base = ended(studio, days=40)
    child = ended(studio, days=1, model={"path": str(studio.jobs.folder(base).model)})
    plan = studio.cleanup.plan(old())
    assert names(plan) == [] and plan.kept[0].name == base and f"{child} came from it" in plan.kept[0].why
    (item,) = studio.cleanup.plan(old(sources=True)).items
    assert (item.name, item.note) == (base, f"{child} came from it.")
    assert names(studio.cleanup.plan(old(0))) == [base, child], "both go: nothing is left without its source"


@pytest.mark.parametrize("change", [{}, {"checkpoints_only": True}])
def test_what_a_job_begins_from_stays_until_that_has_ended(studio, change):
    base = ended(studio, days=40)
    checkpoint = studio.jobs.folder(base).checkpoints / "checkpoint-1"
    job = studio.jobs.submit({**train_spec(), "model": {"path": str(checkpoint)}})
    plan = studio.cleanup.carry_out(old(sources=True, **change))
    assert names(plan) == [] and plan.kept[0].name == base and job.id in plan.kept[0].why
    assert checkpoint.exists()
    studio.jobs.stop(job.id)
    assert names(studio.cleanup.plan(old(**change))) == [], "it came from it, and may be resumed"
    assert names(studio.cleanup.plan(old(sources=True, **change))) == [base]


def test_checkpoints_go_where_others_came_from_the_model(studio):
    base = ended(studio, days=40)
    studio.jobs.submit({**train_spec(), "model": {"path": str(studio.jobs.folder(base).model)}})
    assert names(studio.cleanup.plan(old(checkpoints_only=True))) == [base]


def test_by_size_the_next_goes_in_place_of_a_source(studio):
    base, other = ended(studio, days=3, kilobytes=100), ended(studio, days=2, kilobytes=100)
    ended(studio, days=1, kilobytes=100, model={"path": f"run:{base}"})
    assert names(studio.cleanup.plan(Wish(keep_bytes=250 * KB))) == [other]


def test_checkpoints_only_of_what_succeeded(studio):
    done, failed = ended(studio, days=40), ended(studio, days=40, state=State.FAILED)
    plan = studio.cleanup.carry_out(old(checkpoints_only=True))
    assert [(item.what, item.name) for item in plan.items] == [("checkpoints", done)]
    assert plan.kept[0].name == failed and "could be resumed" in plan.kept[0].why
    assert not studio.jobs.folder(done).checkpoints.exists() and studio.jobs.get(done)
    assert studio.jobs.folder(failed).checkpoints.exists()
    assert not list(studio.runs.glob(".deleted-*"))


def test_runs_behind_a_link_to_another_disk(studio_home, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    studio_home.mkdir(exist_ok=True)
    (studio_home / "runs").symlink_to(shared)
    with make_studio(studio_home, executor=InlineExecutor()) as studio:
        base, other = ended(studio, days=40), ended(studio, days=40)
        assert studio.jobs.folder(base).path == shared / base
        for start in (shared / base / "model", studio.runs / base / "checkpoints" / "checkpoint-1"):
            studio.jobs.submit({**train_spec(), "model": {"path": str(start)}})
        assert names(studio.cleanup.plan(old(checkpoints_only=True))) == [other]
        assert names(studio.cleanup.carry_out(old())) == [other]
        assert (shared / base).exists() and not (shared / other).exists()


def test_a_folder_that_is_not_ours_is_never_touched(studio, tmp_path):
    linked, bare, stranger = ended(studio, days=40), ended(studio, days=40), studio.runs / "notes"
    elsewhere = tmp_path / "precious"
    (studio.runs / linked).rename(elsewhere)
    (studio.runs / linked).symlink_to(elsewhere)
    studio.jobs.folder(bare).spec_json.unlink()
    for folder in (stranger, studio.runs / ".deleted-by-hand", studio.runs / "train-99"):
        folder.mkdir()
        os.utime(folder, (0, 0))
    before = sorted(studio.runs.iterdir())
    plan = studio.cleanup.carry_out(old())
    assert names(plan) == [] and {kept.name for kept in plan.kept} == {linked, bare}
    assert (elsewhere / "checkpoints" / "checkpoint-1" / "weights").exists() and stranger.exists()
    studio._sweep_deleted()
    assert sorted(studio.runs.iterdir()) == before


def test_a_folder_of_another_user_is_not_ours(studio, monkeypatch):
    ended(studio, days=40)
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    assert names(studio.cleanup.plan(old())) == []


def test_what_is_left_over_goes_without_an_age(studio):
    done, running = ended(studio), ended(studio, state=State.RUNNING)
    half = studio.runs / ".deleted-train-0009-0123abcd"
    for folder in (half, *(studio.runs / run / ".model.partial-1a2b" for run in (done, running))):
        folder.mkdir()
    assert names(studio.cleanup.carry_out(Wish())) == [half.name, ".model.partial-1a2b"]
    assert not half.exists() and (studio.runs / running / ".model.partial-1a2b").exists()


def test_prepared_data_goes_when_no_run_reads_it(studio):
    for key in ("used", "unused", "unfinished"):
        (studio.home / "prepared" / key).mkdir(parents=True)
    for key in ("used", "unused"):
        manifest = studio.home / "prepared" / key / "prepared.json"
        write_json(manifest, {})
        os.utime(manifest, (0, 0))
    ended(studio, days=1, data={"path": str(studio.home / "prepared" / "used")})
    assert names(studio.cleanup.plan(old())) == ["unused"]
    assert names(studio.cleanup.plan(old(checkpoints_only=True))) == []
    studio.cleanup.carry_out(old(), only=["something else"])
    assert (studio.home / "prepared" / "unused").exists(), "only what was agreed to"


def test_prepared_data_is_kept_within_a_size_and_the_longest_unused_goes_first(studio):
    for day, key in enumerate(("first", "second", "third")):
        folder = studio.home / "prepared" / key
        folder.mkdir(parents=True)
        (folder / "shard-00000.arrow").write_bytes(b"x" * 1000)
        write_json(folder / "prepared.json", {})
        os.utime(folder / "prepared.json", (day, day))
    ended(studio, days=1, data={"path": str(studio.home / "prepared" / "first")})
    plan = studio.cleanup.carry_out(Wish(prepared_bytes=2100))
    assert names(plan) == ["first"] and plan.items[0].note
    assert {path.name for path in (studio.home / "prepared").iterdir()} == {"second", "third"}
    studio.jobs.submit({**train_spec(), "data": {"path": str(studio.home / "prepared" / "second")}})
    assert names(studio.cleanup.plan(Wish(prepared_bytes=1100))) == ["third"], "a job waits for the second"


def test_a_job_that_another_waits_for_stays_with_the_reason(studio):
    first = ended(studio, days=40)
    studio.jobs.submit({**train_spec(), "queue": {"after": [first]}})
    plan = studio.cleanup.carry_out(old(sources=True))
    assert names(plan) == [] and plan.kept[0].name == first
