"""LLaDA's Monte Carlo likelihood from its recorded draws."""

import pytest
import torch

from jobs.diffusion import likelihood
from tests.golden.cases import Case, number_differences

CASE = Case("llada_log_likelihood")


def draws(run: str) -> tuple[list, list]:
    """(randint draws, permutations) of a run in call order."""
    expected = CASE.tensors("expected")
    keys = [key for key in sorted(expected) if key.startswith(f"{run}.rng.")]
    return (
        [expected[key] for key in keys if key.endswith("randint")],
        [expected[key] for key in keys if key.endswith("randperm")],
    )


def scored_row(run: str) -> tuple[torch.Tensor, torch.Tensor]:
    inputs = CASE.tensors("inputs")
    prompt, answer = inputs["prompt"], inputs[CASE.arguments(run)["answer"]]
    ids = torch.cat([prompt, answer])
    return ids, likelihood.scored_tokens(len(ids), len(prompt))


@pytest.fixture
def recorded(monkeypatch):
    """recorded(run): the draws of the reference, which draws 1..n where we draw 0..n-1."""

    def use(run: str) -> list:
        starts, permutations = draws(run)
        monkeypatch.setattr(likelihood, "randint", lambda *_: starts.pop(0) - 1)
        monkeypatch.setattr(likelihood, "randperm", lambda *_: permutations.pop(0))
        return permutations

    return use


@pytest.mark.parametrize("run", CASE.runs())
def test_masks_equal_lladas(run, recorded):
    args, expected = CASE.arguments(run), CASE.tensors("expected")
    left = recorded(run)
    ids, scored = scored_row(run)
    batches = (expected[f"{run}.{what}"] for what in ("is_mask", "perturbed", "p_mask"))
    for masked, perturbed, p_mask in zip(*batches, strict=True):
        masks = likelihood.counted_masks(scored, args["batch_size"])
        assert torch.equal(masks.masked, masked)
        assert torch.equal(ids.expand_as(masked).masked_fill(masks.masked, args["mask_id"]), perturbed)
        assert not number_differences(1 / p_mask, masks.weights, atol=0.0, rtol=1e-6)
    assert not left


@pytest.mark.parametrize("run", CASE.runs())
def test_likelihood_equals_lladas(run, recorded, load_case):
    args, expected = CASE.arguments(run), CASE.tensors("expected")[f"{run}.log_likelihood"]
    recorded(run)
    denoiser = load_case(CASE, args["mask_id"]).denoiser()
    ids, scored = scored_row(run)
    got = likelihood.llada(denoiser, ids, scored, args["mc_num"], args["batch_size"], args["cfg_scale"])
    found = torch.tensor(got, dtype=expected.dtype)
    assert not number_differences(expected, found, **CASE.tolerance())
    assert number_differences(expected, found * 1.001, **CASE.tolerance())
