"""Texts kept apart in one sequence: the same logits, weights and losses as the texts alone."""

import pytest
import torch

from jobs.diffusion import attention
from jobs.diffusion.objectives import Batch, build_objective, training_loss
from jobs.diffusion.objectives.base import Noised, model_inputs, positions_within, seen
from jobs.models.causal import as_causal
from jobs.models.debug import debug_checkpoint
from jobs.models.tokenizers import character_tokenizer
from jobs.specs.objective import ARObjective, DDMObjective, DreamObjective, LLaDAObjective, MDLMObjective

CUTS = ((0, 7), (7, 8), (8, 20))  # three texts, one of a single token
DOCUMENTS = torch.tensor([[0] * 7 + [1] + [2] * 12]).repeat(2, 1)
OBJECTIVES = [MDLMObjective(), LLaDAObjective(), DreamObjective(), DDMObjective(anneal_steps=1)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noised(words: int, mask_id: int) -> Noised:
    ids = torch.randint(words, (2, 20), generator=seeded())
    masked = torch.rand((2, 20), generator=seeded(1)) < 0.5
    level = torch.full((2, 20), 0.5)
    return Noised(ids.masked_fill(masked, mask_id), masked, level, level)


def part(whole: Noised, start: int, end: int) -> Noised:
    return Noised(*(getattr(whole, f)[:, start:end] for f in ("noised_ids", "masked", "p_mask", "time")))


def batch(whole: Noised, documents: torch.Tensor | None = None, **more) -> Batch:
    return Batch(whole.noised_ids, torch.ones_like(whole.masked), documents=documents, **more)


def outputs(objective, model, whole: Noised, given: Batch) -> torch.Tensor:
    with torch.no_grad():
        return model(**model_inputs(model, seen(objective, whole, given))).logits


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("family", ["a2d", "dream", "diffugpt", "bert", "llada2", "mdlm"])
def test_the_logits_are_those_of_the_texts_alone(family: str, implementation: str):
    made = debug_checkpoint(family, character_tokenizer("abcdefgh"))
    if made.model.config.model_type != "dit":
        made.model.set_attn_implementation(implementation)
    whole, objective = noised(6, made.config.mask_token_id), build_objective(MDLMObjective())
    together = outputs(objective, made.model, whole, batch(whole, DOCUMENTS))
    for start, end in CUTS:
        alone = part(whole, start, end)
        assert torch.allclose(
            together[:, start:end], outputs(objective, made.model, alone, batch(alone)), atol=1e-5
        )


def test_a_causal_model_stays_causal_and_within_its_text():
    made = debug_checkpoint("a2d", character_tokenizer("abcdefgh"))
    model, objective = as_causal(made).model, build_objective(ARObjective())
    whole = noised(6, 6)
    together = outputs(objective, model, whole, batch(whole, DOCUMENTS))
    for start, end in CUTS:
        alone = part(whole, start, end)
        assert torch.allclose(
            together[:, start:end], outputs(objective, model, alone, batch(alone)), atol=1e-5
        )


@pytest.mark.parametrize("options", OBJECTIVES, ids=lambda options: options.name)
def test_each_token_weighs_as_in_its_text_alone(options):
    """Up to what the sum is divided by, which is the whole batch's."""
    objective, whole, one = build_objective(options), noised(6, 6), torch.tensor(1.0)
    weights = torch.zeros(2, 20)
    weights[whole.masked] = objective.weights(whole, batch(whole, DOCUMENTS, items=one))
    for start, end in CUTS:
        alone = part(whole, start, end)
        assert torch.allclose(
            weights[:, start:end][alone.masked], objective.weights(alone, batch(alone, items=one))
        )


@pytest.mark.parametrize("options", OBJECTIVES, ids=lambda options: options.name)
def test_another_text_changes_nothing(options, make):
    objective = build_objective(options)
    ids = torch.randint(6, (2, 20), generator=seeded())
    maskable = torch.zeros(2, 20, dtype=torch.bool)
    maskable[:, :7] = True

    def loss(given: torch.Tensor, documents: torch.Tensor | None) -> float:
        found = training_loss(
            objective, make().model, given, maskable, mask_id=6, documents=documents, generator=seeded()
        )
        return found.loss.item()

    other = ids.clone()
    other[:, 7:] = (other[:, 7:] + 1) % 6
    assert loss(ids, DOCUMENTS) == pytest.approx(loss(other, DOCUMENTS), rel=1e-6)
    assert abs(loss(ids, None) - loss(other, None)) > 1e-5


def test_positions_begin_with_each_text():
    assert positions_within(DOCUMENTS)[1].tolist() == [*range(7), 0, *range(12)]


@pytest.mark.parametrize("padding", [None, torch.tensor([[1] * 18 + [0] * 2, [1] * 20])])
def test_flex_takes_the_same_pattern(padding: torch.Tensor | None):
    pattern = attention.within_documents(attention.full(20, padding), DOCUMENTS)
    assert not pattern.is_full
    with torch.no_grad():
        given = attention.form_for(pattern, "flex_attention", torch.float32, torch.device("cpu"))
    dense = pattern.dense()[:, 0]
    at = torch.arange(20)
    for row in range(2):
        kept = given.mask_mod(torch.tensor(row), 0, at[:, None], at[None, :])
        assert torch.equal(kept, dense[row])
