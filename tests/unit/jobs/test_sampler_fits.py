"""Which sampler is said to fit which model."""

import pytest

from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.samplers import SAMPLERS
from jobs.specs.samplers.fits import fitting, misfit

KINDS = {
    "full": DiffusionConfig(mask_token_id=1),
    "shifted": DiffusionConfig(mask_token_id=1, shifted_logits=True),
    "blocks": DiffusionConfig(mask_token_id=1, block_size=8, objective="bd3lm"),
    "grid": DiffusionConfig(mask_token_id=1, task="grid"),
    "random tokens": DiffusionConfig(mask_token_id=1, noise="uniform", objective="diffusion_gemma"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_sampler_answers_and_what_it_names_instead_fits(kind):
    config = KINDS[kind]
    fits = fitting(config)
    assert fits, "no model is without a sampler"
    for name, spec in SAMPLERS.items():
        sentence = misfit(spec(), config)
        assert (sentence is None) == (name in fits)
        if sentence is not None:
            assert f"The sampler {name} is not for this model" in sentence
            assert all(other in sentence for other in fits)


def test_a_model_that_reads_by_blocks_has_samplers_of_its_own():
    assert fitting(KINDS["full"])[0] == "llada" and fitting(KINDS["blocks"])[0] == "llada2"
    assert not set(fitting(KINDS["full"])) & set(fitting(KINDS["blocks"]))
    assert "reads blocks of 8 one after the other" in str(misfit(SAMPLERS["llada"](), KINDS["blocks"]))
    assert "sees every position from every other" in str(misfit(SAMPLERS["llada2"](), KINDS["full"]))


@pytest.mark.parametrize(("size", "fits"), [(None, True), (8, True), (4, False), (16, False)])
def test_another_block_than_the_model_was_trained_with_is_refused(size, fits):
    sentence = misfit(SAMPLERS["llada2"](block_size=size), KINDS["blocks"])
    assert (sentence is None) == fits
    if not fits:
        assert f"trained in blocks of 8, not of {size}: set block_size to 8" in str(sentence)


def test_a_sampler_of_one_objective_is_for_its_models_only(monkeypatch):
    """SEDD's scores are read by the others too."""

    class OfScores(SAMPLERS["llada"]):  # type: ignore[misc]
        objective = "sedd"

    monkeypatch.setitem(SAMPLERS, "scores", OfScores)
    sedd = DiffusionConfig(mask_token_id=1, objective="sedd")
    assert {"scores", "llada"} <= set(fitting(sedd)) and "scores" not in fitting(KINDS["full"])
    assert "for models trained with sedd, this one was with mdlm" in str(misfit(OfScores(), KINDS["full"]))


def test_masks_and_random_tokens_are_different_things():
    model = KINDS["random tokens"]
    assert fitting(model) == ["diffusion_gemma"]
    assert "the sampler fills masks, and the model refines random tokens" in str(
        misfit(SAMPLERS["llada"](), model)
    )
    assert "the sampler refines random tokens, and the model fills masks" in str(
        misfit(SAMPLERS["diffusion_gemma"](), KINDS["full"])
    )
