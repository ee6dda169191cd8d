"""Pipelines and sweeps as one: queued in one go, run again from where they failed, counted up for good."""

import pytest

from backend.reconciler import Reconciler
from backend.scheduler import Scheduler
from backend.studio import Studio
from jobs.executors import InlineExecutor
from jobs.protocol.errors import JobError, ModelError, SpecError
from jobs.protocol.events import EventWriter
from jobs.protocol.folder import read_json, write_json
from jobs.protocol.states import State
from jobs.specs.groups import is_group
from tests.fakes.model_folders import make_model
from tests.fakes.studio import slots

TRAIN = {"kind": "train", "model": {"path": "run:convert"}, "data": {"builder": "stories"}}
STEPS = {
    "convert": {"kind": "convert", "source": "donor"},
    "train": TRAIN,
    "sample": {"kind": "sample", "model": "run:train", "prompts": "story-prompts"},
}
PIPELINE = {"kind": "pipeline", "name": "All of it", "steps": STEPS}
SWEEP = {
    "kind": "sweep",
    "base": {**TRAIN, "name": "Rates", "model": {"new": {"family": "llada", "tokenizer": "characters:ab"}}},
    "grid": {"optimisation.learning_rate": [1e-3, 1e-4], "optimisation.seed": [1, 2]},
}


def makes_a_model(run, attempt):
    make_model(run.model)
    return succeeds(run, attempt)


def succeeds(run, attempt):
    events = EventWriter(run.events, attempt.number)
    rate = run.spec().get("optimisation", {}).get("learning_rate", 0)
    for step, loss in ((1, 3.0), (2, 1.0), (3, 2.0 + rate)):
        events.write("metrics", step=step, values={"loss": loss})
    write_json(run.result_json, {"attempt": attempt.number, "status": "succeeded"})
    return 0


def fails(run, attempt):
    return 1


@pytest.fixture
def studio(studio_home):
    executor = InlineExecutor({"convert": makes_a_model, "train": makes_a_model, "sample": succeeds})
    with Studio(studio_home, executor=executor, census=slots(2)) as studio:
        make_model(studio.home / "models" / "donor", dllm=False)
        yield studio


def carry_out(studio):
    """Until nothing changes any more."""
    scheduler = Scheduler(studio.store, studio.runs, studio.executor, before_start=studio._last_look)
    for _ in range(8):
        scheduler.tick()
        Reconciler(studio.store, studio.runs, studio.executor).tick()


def states(studio, group):
    return {job.spec["queue"]["place"]: job.state.value for job in studio.groups.get(group).jobs}


def test_a_pipeline_uses_what_its_steps_made(studio):
    made = studio.groups.submit(PIPELINE)
    assert (made.id, made.state, [job.id for job in made.jobs]) == (
        "pipeline-0001",
        "queued",
        ["convert-0001", "train-0002", "sample-0003"],
    )
    assert made.jobs[1].spec["model"]["path"] == "run:convert-0001"
    assert made.jobs[1].spec["queue"]["after"] == ["convert-0001"]
    carry_out(studio)
    done = studio.groups.get("pipeline-0001")
    assert (done.state, done.counts, done.name) == ("succeeded", {"succeeded": 3}, "All of it")
    train, folder = done.jobs[1], studio.jobs.folder("convert-0001").model
    assert train.spec["model"]["path"] == str(folder), "the path is there once the model is"
    assert train.spec["objective"] is not None, "and what its checkpoint says"
    assert studio.jobs.folder("train-0002").spec() == train.spec


def test_it_is_run_again_from_the_step_that_failed(studio):
    studio.executor.functions["train"] = fails
    studio.groups.submit(PIPELINE)
    carry_out(studio)
    assert states(studio, "pipeline-0001")["convert"] == "succeeded"
    assert studio.groups.get("pipeline-0001").state == "failed"
    assert not studio.groups.get("pipeline-0001").jobs[2].active, "it cannot come any more"
    studio.executor.functions["train"] = makes_a_model
    assert [job.id for job in studio.groups.rerun("pipeline-0001")] == ["train-0002", "sample-0003"]
    carry_out(studio)
    found = studio.groups.get("pipeline-0001")
    assert (found.state, [job.attempt for job in found.jobs]) == ("succeeded", [1, 2, 1])
    with pytest.raises(JobError, match="nothing to run again"):
        studio.groups.rerun("pipeline-0001")


def test_a_promise_that_is_not_kept_is_a_failure_with_its_reason(studio):
    studio.executor.functions["convert"] = succeeds  # and makes no model
    studio.groups.submit(PIPELINE)
    carry_out(studio)
    train = studio.groups.get("pipeline-0001").jobs[1]
    assert (train.state, train.failure) == (State.FAILED, "model")
    assert "The run convert-0001 has no finished model" in train.reason


def test_a_sweep_is_queued_in_one_go_and_compared(studio):
    made = studio.groups.submit(SWEEP)
    assert [job.name for job in made.jobs][:2] == [
        "Rates: learning_rate=0.001, seed=1",
        "Rates: learning_rate=0.001, seed=2",
    ]
    carry_out(studio)
    table = studio.groups.get("sweep-0001").comparison
    assert table.fields == ["optimisation.learning_rate", "optimisation.seed"]
    assert table.metrics[:2] == ["loss", "best_loss"]
    last = table.rows[3]
    assert last.settings == {"optimisation.learning_rate": 1e-4, "optimisation.seed": 2}
    assert (last.place, last.results["loss"], last.results["best_loss"]) == (
        "learning_rate=0.0001, seed=2",
        2.0001,
        1.0,
    )
    assert [(group.id, group.name, group.state) for group in studio.groups.list()] == [
        ("sweep-0001", "Rates", "succeeded")
    ]


def test_a_recipe_may_be_the_base(studio):
    made = studio.groups.submit({**SWEEP, "base": "stories", "changes": {"optimisation.steps": 3}})
    assert made.name == "stories"
    assert {job.spec["optimisation"]["steps"] for job in made.jobs} == {3}


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ({**SWEEP, "grid": {"optimisation.steps": [5, 0]}}, SpecError),
        ({**SWEEP, "grid": {"data.builder": ["stories", "nope"]}}, SpecError),
        ({**SWEEP, "base": "no such recipe"}, SpecError),
        (
            {
                **PIPELINE,
                "steps": {**STEPS, "other": {"kind": "sample", "model": "x", "prompts": "story-prompts"}},
            },
            ModelError,
        ),
    ],
)
def test_one_wrong_job_and_nothing_is_queued(studio, spec, error):
    with pytest.raises(error):
        studio.groups.submit(spec)
    assert studio.jobs.list() == [] and studio.groups.list() == []
    assert not any((studio.home / "runs").glob("[a-z]*")) and not any((studio.home / "groups").glob("*"))


def test_a_repeated_request_is_the_same_group(studio):
    first = studio.groups.submit(SWEEP, request_id="click")
    assert studio.groups.submit(SWEEP, request_id="click").id == first.id
    assert len(studio.jobs.list()) == 4
    assert studio.groups.submit(SWEEP).id == "sweep-0002", "the repeated one took no number"


def test_those_with_the_tag_keep_are_counted(studio):
    made = studio.groups.submit(SWEEP)
    studio.remarks.tag(made.jobs[2].id, add=["keep", "keeper"])
    studio.remarks.tag(made.jobs[0].id, add=["keeper"])
    assert [view.kept for view in studio.groups.list()] == [1]


def test_stopping_ends_what_waits_and_numbers_are_not_used_again(studio):
    studio.groups.submit(SWEEP)
    with pytest.raises(JobError, match="stop the group"):
        studio.groups.delete("sweep-0001")
    assert {job.state for job in studio.groups.stop("sweep-0001")} == {State.STOPPED}
    assert studio.groups.get("sweep-0001").state == "stopped"
    studio.groups.delete("sweep-0001")
    assert studio.jobs.list() == [] and studio.groups.list() == []
    with pytest.raises(JobError, match="no pipeline or sweep 'sweep-0001'"):
        studio.groups.get("sweep-0001")
    assert studio.groups.submit(PIPELINE).id == "pipeline-0002"


def test_what_waits_is_held_and_let_go_together(studio):
    studio.groups.submit(SWEEP)
    studio.groups.hold("sweep-0001")
    carry_out(studio)
    assert studio.groups.get("sweep-0001").counts == {"queued": 4}
    studio.groups.release("sweep-0001")
    carry_out(studio)
    assert studio.groups.get("sweep-0001").counts == {"succeeded": 4}
    assert {job.state for job in studio.groups.hold("sweep-0001")} == {State.SUCCEEDED}, "harmless"


def test_a_rebuilt_database_knows_the_groups(studio):
    studio.groups.submit(SWEEP)
    before = [job.id for job in studio.groups.get("sweep-0001").jobs]
    studio.jobs.rebuild()
    assert [job.id for job in studio.groups.get("sweep-0001").jobs] == before
    for record in (studio.home / "groups").iterdir():
        record.unlink()
    assert studio.groups.submit(SWEEP).id == "sweep-0002", "the specs of its jobs hold the number too"


def test_what_was_submitted_is_kept(studio):
    studio.groups.submit(SWEEP)
    kept = read_json(studio.home / "groups" / "sweep-0001.json")
    assert kept["spec"]["grid"]["optimisation.seed"] == [1, 2] and kept["name"] == "Rates"


def test_bundled_pipelines_and_sweeps_could_be_submitted(studio):
    recipes = [recipe.spec for recipe in studio.training.recipes() if is_group(recipe.spec)]
    assert {recipe["kind"] for recipe in recipes} == {"pipeline", "sweep"}
    for recipe in recipes:
        previews = [studio.training.preview(spec) for spec in studio.groups.specs(recipe)]
        assert [preview.problem for preview in previews] == [""] * len(previews)
