"""Specs as forms and back: nothing may be lost on the way."""

import pytest

from backend.services.places import ASSETS
from jobs.protocol.errors import SpecError
from jobs.specs.data import DataSpec
from jobs.specs.job import ConvertSpec, OptimisationSpec, ReportSpec
from jobs.specs.load import parse_spec, read_yaml
from jobs.specs.samplers import LLaDASampler
from ui import forms, train_form
from ui.review_value import changed_lines, problems

RECIPES = sorted((ASSETS / "recipes").glob("*.yaml"))


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


def test_every_setting_of_a_train_spec_has_a_control():
    data = train_form.to_data(
        train_form.to_values({"kind": "train", "model": {"path": "x"}, "data": {"path": "y"}})
    )
    spec = parse_spec(data)
    left_out = {
        group: set(type(getattr(spec, group)).model_fields) - set(data[group])
        for group in ("optimisation", "tuning", "launcher", "report", "objective")
    }
    assert {group: names - {"sampler"} for group, names in left_out.items() if names - {"sampler"}} == {}


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
