"""What a run came from and what came of it."""

import pytest
from fastapi.testclient import TestClient

from backend.api.app import create_app
from backend.services.lineage import sources
from jobs.protocol.errors import ModelError
from jobs.protocol.folder import write_json
from jobs.specs.diffusion_config import FILE
from tests.fakes.model_folders import make_model
from tests.fakes.studio import train_spec


def trained_from(studio, path, **queue):
    return studio.jobs.submit({**train_spec("child", queue=queue), "model": {"path": str(path)}}).id


@pytest.fixture
def base(studio):
    """A run with one whole checkpoint that can be used as a model, two that cannot, and half of one."""
    job = studio.jobs.submit(train_spec("base"))
    root = studio.jobs.folder(job.id).checkpoints
    for step in (10, 20, 25, 30):
        make_model(root / f"checkpoint-{step}")
    (root / "checkpoint-20" / FILE).unlink()
    (root / "checkpoint-25" / "model.safetensors").unlink()  # as FSDP leaves it
    for step in (10, 20, 25):
        write_json(root / f"checkpoint-{step}" / "trainer_state.json", {})
    return job.id


def test_parents_and_children_with_the_checkpoint_that_was_taken(studio, base):
    checkpoint = studio.jobs.folder(base).checkpoints / "checkpoint-10"
    child = trained_from(studio, checkpoint, after=[base])
    late = trained_from(studio, "/elsewhere", after=[base])
    found = studio.relatives.of(child)
    assert [(one.place, one.run, one.step, one.text) for one in found.parents] == [
        ("model.path", base, 10, "base"),
        ("data.path", None, None, "/data/x.jsonl"),
        ("queue.after", base, None, "base"),
    ]
    children = studio.relatives.of(base).children
    assert [(one.run, one.place, one.step) for one in children] == [
        (late, "queue.after", None),
        (child, "model.path", 10),
    ]
    assert studio.relatives.of(late).children == []


def test_a_clone_says_so_both_ways_and_holds_nothing(studio, base):
    child = trained_from(studio, "/elsewhere", clone_of=base)
    assert ("queue.clone_of", base) in [(one.place, one.run) for one in studio.relatives.of(child).parents]
    assert [(one.place, one.run) for one in studio.relatives.of(base).children] == [("queue.clone_of", child)]
    assert sources("train", studio.jobs.get(child).spec, studio.runs) == set()


def test_a_parent_that_was_deleted_is_told_without_a_state(studio, base):
    child = trained_from(studio, studio.jobs.folder(base).model)
    studio.jobs.stop(base)
    studio.jobs.delete(base)
    (parent, _) = studio.relatives.of(child).parents
    assert (parent.run, parent.state, parent.text) == (base, None, base)


def test_a_model_that_is_no_runs_has_its_name(studio):
    bundled = studio.models.get("stories")
    (model, data) = studio.relatives.of(trained_from(studio, bundled.path)).parents
    assert (model.run, model.model, model.text) == (None, "stories", "stories")
    assert (data.model, data.text) == (None, "/data/x.jsonl")


def test_ids_that_only_begin_alike_are_others(studio, base):
    trained_from(studio, f"{studio.runs}/{base}0/model")
    assert studio.relatives.of(base).children == []


def test_a_checkpoint_has_a_name_as_a_model(studio, base):
    name = f"run:{base}/checkpoint-10"
    view = studio.models.get(name)
    assert (view.name, view.is_dllm, view.problem) == (name, True, "")
    assert studio.models.get(view.path).name == name
    assert {one["step"]: one["usable"] for one in studio.jobs.checkpoints(base)} == {
        10: True,
        20: False,
        25: False,
        30: False,
    }


@pytest.mark.parametrize("part", ["checkpoint-30", "checkpoint-40", "../model", "checkpoint-10/..", "x"])
def test_what_is_no_whole_checkpoint_is_no_model(studio, base, part):
    with pytest.raises(ModelError):
        studio.models.resolve(f"run:{base}/{part}")


def test_the_route(studio, base):
    web = TestClient(create_app(studio), base_url="http://127.0.0.1:7860", raise_server_exceptions=False)
    found = web.get(f"/api/jobs/{base}/relatives").json()
    assert found["children"] == found["data"] == [] and found["parents"][0]["text"] == "/models/x"
    assert web.get("/api/jobs/train-0099/relatives").status_code == 404
