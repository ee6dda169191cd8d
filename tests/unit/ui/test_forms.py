"""Specs as forms and back: nothing may be lost on the way."""

import pytest

from backend.services.checkpoints import ModelView
from backend.services.places import ASSETS
from jobs.protocol.errors import SpecError
from jobs.specs.data import DataSpec
from jobs.specs.job import ConvertSpec, OptimisationSpec, ReportSpec, TrainSpec
from jobs.specs.load import parse_spec, read_yaml
from jobs.specs.objective import OBJECTIVES
from jobs.specs.samplers import LLaDASampler
from jobs.specs.slurm import SlurmSpec
from ui import forms, train_form, train_sweep
from ui.review_value import changed_lines, problems
from ui.tabs import convert

OF_SEVERAL_JOBS = ("pipelines", "sweeps")  # folders of recipes that are no training
RECIPES = sorted(p for p in (ASSETS / "recipes").rglob("*.yaml") if p.parent.name not in OF_SEVERAL_JOBS)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_comes_out_of_the_form_as_it_went_in(path):
    spec = parse_spec(read_yaml(path))
    values = train_form.to_values(read_yaml(path))
    assert set(values) == set(train_form.KEYS)
    assert parse_spec(train_form.to_data(values)) == spec


def test_every_source_of_model_and_data():
    data = {
        "kind": "train",
        "model": {"path": "stories"},
        "data": {"path": "mine.jsonl", "limit": 5},
        "objective": {"name": "llada", "random_length_ratio": 0.01},
        "report": {"sampler": {"name": "llada", "steps": 8, "max_new_tokens": 8, "block_size": 8}},
    }
    values = train_form.to_values(data)
    assert values["model.source"] == train_form.CHECKPOINT and values["data.source"] == train_form.FILE
    assert parse_spec(train_form.to_data(values)) == parse_spec(data)


def test_a_training_in_a_cluster():
    data = {
        "kind": "train",
        "model": {"path": "stories"},
        "data": {"path": "mine.jsonl"},
        "launcher": {"name": "torchrun", "processes": 4},
        "slurm": {"nodes": 2, "partition": "gpu", "lines": ["--exclusive"], "setup": ["module load cuda"]},
    }
    values = train_form.to_values(data)
    assert parse_spec(train_form.to_data(values)) == parse_spec(data)
    here = train_form.to_data(values | {"slurm.on": train_form.HERE})
    assert parse_spec(here).slurm is None
    facts = dict(train_form.facts(parse_spec(data).model_dump(), None))
    assert facts["Sequences a step"] == "64", "4 processes on each of 2 nodes, 8 rows each"


def test_an_objective_that_nobody_chose_stays_so():
    data = {"kind": "train", "model": {"path": "stories"}, "data": {"path": "mine.jsonl"}}
    values = train_form.to_values(data)
    assert values["objective.name"] == train_form.FOLLOW
    assert parse_spec(train_form.to_data(values)).objective is None


def test_every_setting_of_a_train_spec_has_a_control():
    places = {name: TrainSpec.model_fields[name].annotation for name in ("data", "optimisation", "tuning")}
    places |= {name: TrainSpec.model_fields[name].annotation for name in ("launcher", "report", "queue")}
    places |= {"slurm": SlurmSpec}
    places |= {f"objective.{name}": options for name, options in OBJECTIVES.items()}
    wanted = {f"{place}.{name}" for place, group in places.items() for name in group.model_fields}
    wanted -= {f"objective.{name}.name" for name in OBJECTIVES}  # the choice of one is objective.name
    assert wanted <= set(train_form.KEYS)
    covered = {key.split(".")[0] for key in train_form.KEYS}
    assert set(TrainSpec.model_fields) - covered == {"kind", "version"}


@pytest.mark.parametrize("spec_class", [OptimisationSpec, ReportSpec, LLaDASampler, ConvertSpec])
def test_fields_say_what_they_are(spec_class):
    found = forms.fields(spec_class)
    assert [f.name for f in found] == list(spec_class.model_fields)
    assert all(f.label == f.name for f in found), "the same word everywhere"


def test_a_field_knows_its_kind_and_bounds():
    by_name = {f.name: f for f in forms.fields(LLaDASampler)}
    assert by_name["steps"].kind == "whole" and (by_name["steps"].minimum, by_name["steps"].maximum) == (
        1,
        8192,
    )
    assert by_name["temperature"].kind == "decimal" and by_name["suppress_eos"].kind == "flag"
    assert by_name["remasking"].choices == ("low_confidence", "random")
    window = forms.fields(ConvertSpec, ["sliding_window"])[0]
    assert window.optional and window.choices == ("keep", "full")


def test_what_is_typed_is_read_and_not_judged():
    assert forms.read(OptimisationSpec, ["steps"], [7.0]) == {"steps": 7}
    assert forms.read(OptimisationSpec, ["steps"], [0.5]) == {"steps": 0.5}  # the spec says what is wrong
    assert forms.read(ReportSpec, ["prompts"], ["a\n\nb\n"]) == {"prompts": ["a", "b"]}
    names = ["mask_token", "sliding_window"]
    assert forms.read(ConvertSpec, names, ["", forms.NOT_SET]) == {}
    assert forms.write(ConvertSpec, names, {}) == ["", forms.NOT_SET]


@pytest.mark.parametrize(("typed", "read"), [("", {}), ("7", {"limit": 7}), ("few", {"limit": "few"})])
def test_an_optional_number_may_be_left_empty(typed, read):
    assert forms.read(DataSpec, ["limit"], [typed]) == read
    assert forms.write(DataSpec, ["limit"], {}) == [""]


@pytest.mark.parametrize("text", ["rows: [", "- a", "word"])
def test_a_broken_mapping_is_a_sentence(text):
    with pytest.raises(SpecError, match="Options"):
        forms.mapping(text, "Options")


def test_problems_and_changes():
    found = problems("optimisation.steps: too small (given: 0)\nthere is no model 'x'.")
    assert found[0]["key"] == "optimisation.steps"
    assert found[1] == {"key": "", "text": "There is no model 'x'."}
    assert changed_lines("a: 1\nb: 2\n", "a: 1\nb: 3\nc: 4\n") == [1, 2]


def test_every_setting_of_a_convert_spec_has_a_control_and_help():
    """All but the launcher, which one process that reads and writes files has no use for, the queue (a
    conversion in a chain of jobs is a pipeline's step) and Slurm."""
    without = {"kind", "version", "launcher", "queue", "slurm"}
    assert set(ConvertSpec.model_fields) - set(convert.NAMES) == without
    assert len(set(convert.NAMES)) == len(convert.NAMES)
    assert all(field.help for field in forms.fields(ConvertSpec, convert.NAMES))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "Attention opens to both sides"),
        ({"target": "official", "family": "dream"}, "written in the official format of Dream"),
        ({"dtype": "bfloat16"}, "as bfloat16"),
        ({"layout": "merged"}, "Experts are written merged"),
        ({"sliding_window": "keep"}, "keep their window on both sides"),
    ],
)
def test_the_convert_form_says_what_will_happen(data, words):
    said = " ".join(convert.steps({"source": "x", **data}, None))
    assert words in said


def test_the_convert_form_knows_what_the_source_is():
    adapter = ModelView(
        name="tuned", path="/tuned", source="home", is_adapter=True, note="An adapter on Qwen."
    )
    dllm = ModelView(name="llada", path="/llada", source="home", is_dllm=True)
    merged = " ".join(convert.steps({"source": "tuned"}, adapter))
    assert "merged into its base" in merged
    rewritten = " ".join(convert.steps({"source": "llada", "dtype": "float16"}, dllm))
    assert "diffusion model already" in rewritten and "training before" not in rewritten


def test_changes_are_told_from_the_start_and_only_where_they_count():
    base = train_form.to_values({"kind": "train", "model": {"path": "stories"}, "data": {"path": "a"}})
    values = {
        **base,
        "optimisation.steps": float(base["optimisation.steps"]),  # as a browser sends it
        "optimisation.batch_size": 3,
        "model.new.tokenizer": "unused",
        "slurm.nodes": 4,
    }
    (change,) = train_form.changed(values, base)
    assert change["id"] == "train-optimisation-batch-size" and change["now"] == "3"
    on = {change["key"] for change in train_form.changed(values | {"slurm.on": train_form.SLURM}, base)}
    assert on == {"optimisation.batch_size", "slurm.on", "slurm.nodes"}


def test_a_sweep_is_read_from_two_lines():
    base = {"kind": "train", "model": {"path": "stories"}, "data": {"path": "a"}}
    found = train_sweep.sweep_of(("optimisation.learning_rate", "1e-4, 3e-4", None, None), base)
    assert found.grid == {"optimisation.learning_rate": [1e-4, 3e-4]} and len(found.points()) == 2
    with pytest.raises(SpecError, match="commas"):
        train_sweep.sweep_of(("optimisation.steps", "[1", None, ""), base)
