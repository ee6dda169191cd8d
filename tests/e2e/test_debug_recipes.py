"""Every recipe of debug size, in this process: train, stop, go on, reload, sample. One of each launcher in
processes of its own."""

import json

import pytest

from backend.studio import Studio
from jobs.executors import InlineExecutor
from jobs.models import checkpoint
from jobs.programs import sample, train
from jobs.programs.process import Process
from jobs.protocol.folder import RunFolder, read_json
from jobs.specs.job import SampleSpec, TrainSpec
from jobs.specs.load import parse_spec
from tests.fakes.programs import curve, finish, free_port, python, torchrun
from tests.fakes.recipes import DEBUG, shortened

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def studio(studio_home):
    with Studio(studio_home, executor=InlineExecutor()) as studio:
        yield studio


def make_run(studio: Studio, name: str, **changes) -> RunFolder:
    """A run folder of a shortened debug recipe, its names resolved."""
    data = {**shortened(studio.training.recipe(f"debug/{name}").spec), **changes}
    resolved = studio.resolver(parse_spec(data))
    return RunFolder.create(studio.runs, "train", resolved.model_dump(mode="json"))


def attempt(run: RunFolder) -> Process:
    return Process(run, run.new_attempt(), TrainSpec.parse(run.spec()))


def stop_after(process: Process, step: int, monkeypatch) -> None:
    """Ask this attempt to stop once `step` steps are done."""
    told = process.progress

    def progress(done: int, *given, **options) -> None:
        told(done, *given, **options)
        if done == step and process._phase == "training":
            process.attempt.request_stop()

    monkeypatch.setattr(process, "progress", progress)


@pytest.mark.thorough
@pytest.mark.parametrize("name", DEBUG)
def test_it_trains_stops_goes_on_reloads_and_samples(name, studio, tmp_path, monkeypatch):
    run = make_run(studio, name)
    first = attempt(run)
    stop_after(first, 2, monkeypatch)
    train.train(first)
    stopped = read_json(run.result_json)
    assert (stopped["status"], stopped["steps"]) == (
        "stopped",
        2,
    ) and run.last_checkpoint().name == "checkpoint-2"

    train.train(attempt(run))
    result = read_json(run.result_json)
    assert (result["status"], result["steps"], result["attempt"]) == ("succeeded", 4, 2)
    assert sorted(curve(run)) == [1, 2, 3, 4]
    assert result["validation_before"] > 0 and result["validation_after"] > 0
    prompts = run.spec()["report"]["prompts"]
    assert len(list(run.samples.glob("*.jsonl"))) == len(prompts)

    assert checkpoint.load(run.model).config.family == (run.spec()["model"]["new"]["family"] or "a2d")
    assert answers(run, tmp_path)


def answers(run: RunFolder, folder) -> list[str]:
    """What the trained model says to a prompt, through the sample program."""
    prompts = folder / "prompts.jsonl"
    prompts.write_text(json.dumps({"prompt": "Tom"}) + "\n")
    spec = SampleSpec.parse(
        {"kind": "sample", "model": str(run.model), "prompts": str(prompts), "launcher": {"device": "cpu"}}
    )
    other = RunFolder.create(folder / "sampling", "sample", spec.model_dump(mode="json"))
    sample.sample(Process(other, other.new_attempt(), spec))
    assert read_json(other.result_json)["status"] == "succeeded"
    return [path.read_text() for path in other.path.glob("*.jsonl") if path.name != "events.jsonl"]


@pytest.mark.parametrize(
    "launcher",
    ["python", *(pytest.param(name, marks=pytest.mark.thorough) for name in ("torchrun", "fsdp"))],
)
def test_a_recipe_runs_under_its_launcher(launcher, studio):
    several = {} if launcher == "python" else {"processes": 2}
    run = make_run(studio, "llada-sft", launcher={"name": launcher, "device": "cpu", "threads": 1, **several})
    process = python(run, "train", () if launcher == "python" else torchrun(free_port()))
    assert finish(process, run) == 0, (run.path / "log.txt").read_text()[-2000:]
    assert read_json(run.result_json)["status"] == "succeeded"
    checkpoint.load(run.model)


def test_a_probe_measures_and_saves_nothing(studio):
    from jobs.specs.probe import probe_of

    spec = probe_of(parse_spec(studio.training.recipe("debug/llada-sft").spec))
    run = RunFolder.create(studio.runs, "train", studio.resolver(spec).model_dump(mode="json"))
    train.train(attempt(run))
    result = read_json(run.result_json)
    assert result["status"] == "succeeded" and result["steps"] == 3 and "model" not in result
    assert not run.model.exists() and run.last_checkpoint() is None
    assert "150 steps take about" in result["probe"] and result["seconds_per_step"] > 0
