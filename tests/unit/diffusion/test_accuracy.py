"""Accuracy under masks: counted by hand, for heads of all kinds."""

import pytest
import torch
from torch import nn

from jobs.diffusion.accuracy import right_tokens
from jobs.diffusion.masked_head import likeliest, wanted_logits
from jobs.diffusion.objectives import Batch, build_objective
from jobs.models.debug import debug_checkpoint
from jobs.models.tokenizers import character_tokenizer
from jobs.specs.objective import BD3LMObjective, DDMObjective, MDLMObjective

OBJECTIVES = [MDLMObjective(), BD3LMObjective(block_size=4), DDMObjective(anneal_steps=100)]


@pytest.fixture(scope="module")
def made():
    return debug_checkpoint("a2d", character_tokenizer("abcdefgh"))


def texts(rows=6, length=8):
    ids = torch.randint(0, 8, (rows, length), generator=torch.Generator().manual_seed(0))
    return Batch(ids, torch.ones_like(ids, dtype=torch.bool))


def count(made, batch, share, shifted=False, objective=None):
    return right_tokens(
        build_objective(objective or MDLMObjective()),
        made.model,
        batch,
        share,
        mask_id=made.config.mask_token_id,
        shifted=shifted,
        generator=torch.Generator().manual_seed(3),
    )


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.name)
@pytest.mark.parametrize("shifted", [False, True])
def test_the_same_masks_give_the_same_count_and_training_goes_on_undisturbed(made, objective, shifted):
    made.model.eval()
    found = count(made, texts(), 0.5, shifted, objective)
    assert found == count(made, texts(), 0.5, shifted, objective)
    assert 0 < found[1] < 48 and 0 <= found[0] <= found[1]
    assert all(p.grad is None for p in made.model.parameters())


def test_a_model_that_always_says_one_word_is_right_where_that_word_stands(made):
    """All tokens masked: of 48 tokens those are right that are the word itself."""
    word, batch = 5, texts()
    head = made.model.get_output_embeddings()
    changed = nn.Linear(head.in_features, head.out_features, bias=True)
    nn.init.zeros_(changed.weight)
    nn.init.zeros_(changed.bias)
    with torch.no_grad():
        changed.bias[word] = 1.0
    made.model.set_output_embeddings(changed)
    try:
        right, masked = count(made, batch, 1.0)
    finally:
        made.model.set_output_embeddings(head)
    assert (right, masked) == (int((batch.input_ids == word).sum()), 48) and right > 0


def test_the_likeliest_tokens_are_those_of_the_logits(made, monkeypatch):
    """Also where they are computed in chunks of three rows."""
    batch = texts()
    wanted = torch.rand(batch.input_ids.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    inputs = {"input_ids": batch.input_ids, "use_cache": False}
    with torch.no_grad():
        expected = wanted_logits(made.model, inputs, wanted).argmax(-1)
    monkeypatch.setattr("jobs.diffusion.masked_head.CHUNK", 3 * made.model.config.vocab_size)
    assert torch.equal(likeliest(made.model, inputs, wanted), expected)
