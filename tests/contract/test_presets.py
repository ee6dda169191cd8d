"""Every family begins with a sampler that its models can be given."""

import pytest

from jobs.models.families import FAMILIES
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import SAMPLERS
from jobs.specs.samplers.fits import fitting, misfit
from jobs.specs.samplers.presets import PRESETS, preset


def config_of(family: str, **more) -> DiffusionConfig:
    traits = {"mask_token_id": 1, **FAMILIES[family].traits(FAMILIES[family].debug), **more}
    return DiffusionConfig(family=family, **{**traits, "mask_token_id": 1})


@pytest.mark.parametrize("family", FAMILIES)
def test_a_familys_preset_is_valid_and_fits(family):
    config = config_of(family)
    found = preset(config)
    options = SAMPLERS[found.settings["name"]].parse(found.settings)
    assert (misfit(options, config) is None) == bool(fitting(config)) and found.why


def test_only_families_have_presets_and_those_are_their_own():
    assert set(PRESETS) <= set(FAMILIES)
    for family, wanted in PRESETS.items():
        assert preset(config_of(family)) == wanted


def test_a_models_own_settings_come_first():
    config = DiffusionConfig(mask_token_id=1, sampler={"steps": 7})
    assert preset(config).settings == {"name": "llada", "steps": 7}
    assert preset(DiffusionConfig(mask_token_id=1, block_size=4)).settings["name"] in fitting(
        config_of("llada2")
    )


def test_a_preset_that_does_not_fit_is_not_offered():
    """A DiffuLLaMA that was trained on in blocks is a block model."""
    assert preset(config_of("diffullama", block_size=8)).settings["name"] != "diffullama"
