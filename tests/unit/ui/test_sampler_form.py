"""One panel for all samplers: its controls say what the specs say."""

import pytest

from jobs.specs.samplers import SAMPLERS
from ui import forms, sampler_form


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_panel_gives_back_a_samplers_defaults(name):
    values = [update["value"] for update in sampler_form.updates(name, None)]
    assert len(values) == len(sampler_form.FIELDS)
    got = SAMPLERS[name].parse(sampler_form.read(name, values))
    assert got == SAMPLERS[name].parse({"name": name, **sampler_form.settings(name, None)})


@pytest.mark.parametrize("name", SAMPLERS)
def test_only_a_samplers_own_settings_are_seen(name):
    shown = {
        setting
        for setting, update in zip(sampler_form.FIELDS, sampler_form.updates(name, None), strict=True)
        if update["visible"]
    }
    assert shown == set(SAMPLERS[name].model_fields) - {"name"}


@pytest.mark.parametrize("name", SAMPLERS)
def test_settings_of_one_name_are_of_one_kind(name):
    """They share a control."""
    for field in sampler_form.own_fields(name).values():
        assert field.kind == sampler_form.FIELDS[field.name].kind, field.name


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_setting_and_sampler_says_what_it_is(name):
    assert len(sampler_form.about(name)) > 20
    assert all(field.help for field in sampler_form.own_fields(name).values())


def test_tokens_are_ids_or_words():
    (field,) = forms.fields(SAMPLERS["llada"], ["suppress_tokens"])
    assert field.kind == "tokens"
    assert forms.read(SAMPLERS["llada"], ["suppress_tokens"], ["12 <eos>\nthe"]) == {
        "suppress_tokens": [12, "<eos>", "the"]
    }


def test_a_shared_control_has_the_choices_of_all_samplers():
    """A hidden control is sent too, and Gradio refuses a value that it was not made with."""
    for name in SAMPLERS:
        for key, field in sampler_form.own_fields(name).items():
            assert set(field.choices) <= set(sampler_form.FIELDS[key].choices)
