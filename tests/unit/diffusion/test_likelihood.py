"""Likelihoods against exact values on a tiny model, where all masks and all texts can be gone through."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from jobs.diffusion import attention, likelihood
from jobs.diffusion.denoiser import Denoiser
from jobs.specs.diffusion_config import DiffusionConfig

from .conftest import MASK, tiny

LENGTH, PROMPT = 9, 4
IDS = torch.randint(MASK, (LENGTH,), generator=torch.Generator().manual_seed(4))
ANSWER = likelihood.scored_tokens(LENGTH, PROMPT)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mean_and_error(estimates: list[float]) -> tuple[float, float]:
    found = torch.tensor(estimates, dtype=torch.double)
    return found.mean().item(), (found.std() / len(found) ** 0.5).item()


def close(estimates: list[float], exact: float) -> bool:
    """Within four standard errors, which must be small themselves."""
    mean, error = mean_and_error(estimates)
    return abs(mean - exact) < 4 * error and error < 0.03 * abs(exact)


def masked_losses(denoiser: Denoiser, masked: torch.Tensor) -> torch.Tensor:
    """Cross-entropies of one set of masks [L], by the plainest way."""
    logits = denoiser(IDS.masked_fill(masked, MASK)[None])[0]
    return F.cross_entropy(logits[masked], IDS[masked], reduction="none").double()


def all_sets(places: list[int]) -> list[torch.Tensor]:
    """Every subset of `places` as a mask [L]."""
    found = []
    for bits in itertools.product([False, True], repeat=len(places)):
        masked = torch.zeros(LENGTH, dtype=torch.bool)
        masked[places] = torch.tensor(bits)
        found.append(masked)
    return found


@pytest.mark.parametrize("shifted", [False, True])
def test_the_exact_bound_is_the_mean_over_numbers_and_sets_of_masks(shifted, make):
    denoiser = make(shifted_logits=shifted)
    places = ANSWER.nonzero()[:, 0].tolist()
    by_hand, n = 0.0, len(places)
    for size in range(1, n + 1):
        sets = [m for m in all_sets(places) if m.sum() == size]
        by_hand -= sum(masked_losses(denoiser, m).sum().item() * n / size for m in sets) / len(sets) / n
    assert likelihood.exact_bound(denoiser, IDS, ANSWER) == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["llada", "dream_mc"])
@pytest.mark.parametrize("shifted", [False, True])
def test_monte_carlo_estimates_mean_the_exact_bound(name, shifted, make):
    denoiser = make(shifted_logits=shifted)
    scored = ANSWER.clone()
    scored[-1] = name != "dream_mc"  # Dream's last token stays visible
    exact = likelihood.exact_bound(denoiser, IDS, scored)
    estimate = likelihood.LIKELIHOODS[name]
    draws = [estimate(denoiser, IDS, ANSWER, 256, 256, generator=seeded(seed)) for seed in range(32)]
    assert close(draws, exact)


def test_dreams_prompt_and_union_are_scored_alike(make):
    for log_type in ("btf", "union"):
        scored = likelihood.scored_tokens(LENGTH, PROMPT, log_type)
        inner = scored.clone()
        inner[[0, -1]] = False
        exact = likelihood.exact_bound(make(), IDS, inner)
        draws = [likelihood.dream_mc(make(), IDS, scored, 256, 256, generator=seeded(s)) for s in range(32)]
        assert close(draws, exact)


@pytest.mark.parametrize("name", ["dream_ftb", "dream_btf"])
def test_token_by_token_all_answers_together_have_probability_one(name):
    """A model of 6 words and two scored tokens: the likelihoods of all 36 answers add up to 1."""
    denoiser = Denoiser(tiny("llama", words=6), DiffusionConfig(mask_token_id=5))
    ids, total = IDS[:5] % 6, 0.0
    scored = torch.tensor([False, False, True, True, False])
    for pair in itertools.product(range(6), repeat=2):
        ids[2:4] = torch.tensor(pair)
        total += torch.tensor(likelihood.LIKELIHOODS[name](denoiser, ids, scored)).exp().item()
    assert total == pytest.approx(1, abs=1e-4)


def chain_rule(denoiser: Denoiser, order: list[int]) -> float:
    """log p of the tokens at `order`, each given those before it in that order and all others."""
    total, masked = 0.0, torch.zeros(LENGTH, dtype=torch.bool)
    masked[order] = True
    for place in order:
        logits = denoiser(IDS.masked_fill(masked, MASK)[None])[0, place]
        total += logits.log_softmax(-1)[IDS[place]].item()
        masked[place] = False
    return total


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("name", "step"), [("dream_ftb", 1), ("dream_btf", -1)])
def test_token_by_token_is_the_chain_rule_in_that_order(name, step, shifted, make):
    denoiser = make(shifted_logits=shifted)
    order = ANSWER.nonzero()[:, 0].tolist()[::step]
    by_hand = chain_rule(denoiser, order)
    found = likelihood.LIKELIHOODS[name](denoiser, IDS, ANSWER, batch_size=2)
    assert found == pytest.approx(by_hand, rel=1e-5)
    assert abs(chain_rule(denoiser, order[::-1]) - by_hand) > 0.1


def test_the_exact_bound_is_the_mean_of_the_chain_rule_over_all_orders(make):
    """Any-order training and the bound of masked diffusion are one (Hoogeboom et al. 2022, arXiv 2110.02037,
    section 3)."""
    denoiser, scored = make(), torch.zeros(LENGTH, dtype=torch.bool)
    scored[[2, 4, 5, 8]] = True
    orders = [list(order) for order in itertools.permutations([2, 4, 5, 8])]
    mean = sum(chain_rule(denoiser, order) for order in orders) / len(orders)
    assert likelihood.exact_bound(denoiser, IDS, scored) == pytest.approx(mean, rel=1e-5)


@pytest.mark.parametrize("shifted", [False, True])
def test_diffullamas_score_means_its_expectation(shifted, make):
    denoiser, steps = make(shifted_logits=shifted), 128
    places, exact = ANSWER.nonzero()[:, 0].tolist(), 0.0
    for masked in all_sets(places)[1:]:
        number, mean = int(masked.sum()), masked_losses(denoiser, masked).mean().item()
        for step in range(1, steps + 1):
            p = step / steps
            exact -= p**number * (1 - p) ** (len(places) - number) * mean / steps
    draws = [likelihood.diffullama(denoiser, IDS, ANSWER, steps, 128, seeded(seed)) for seed in range(24)]
    assert close(draws, exact)


@pytest.mark.parametrize("shifted", [False, True])
def test_the_likelihood_by_blocks_means_the_exact_sum_over_blocks(shifted, make):
    """The exact value comes another way: each block at the end of a shorter text, under block-causal
    attention, with the clean text before it."""
    size, model = 3, make().model
    config = make(shifted_logits=shifted, block_size=size).config

    class BlockCausal(Denoiser):
        def __call__(self, ids, attention_mask=None, window=None):
            mask = attention.form(attention.block_causal(ids.shape[1], size), self.model)
            with torch.no_grad():
                logits = self.model(ids, attention_mask=mask, use_cache=False).logits
            return torch.cat([logits[:, :1], logits[:, :-1]], 1) if shifted else logits

    exact, causal = 0.0, BlockCausal(model, config)
    for start in range(3, LENGTH, size):
        # In a shifted model the output for a block's first token stands in the block before it, which is
        # clean here but noised beside the clean text: that token is left out.
        scored = torch.arange(start + size) >= start + shifted
        exact += likelihood.exact_bound(causal, IDS[: start + size], scored)
    answer = torch.arange(LENGTH) >= 3
    if shifted:
        answer[3::size] = False
    denoiser = Denoiser(model, config)
    draws = [likelihood.block(denoiser, IDS, answer, 128, 128, seeded(seed)) for seed in range(16)]
    assert close(draws, exact)


def test_one_block_is_the_whole_text(make):
    exact = likelihood.exact_bound(make(), IDS, ANSWER)
    draws = [likelihood.block(make(), IDS, ANSWER, 128, 128, seeded(s), block_size=LENGTH) for s in range(16)]
    assert close(draws, exact)
    with pytest.raises(ValueError, match="needs a block size"):
        likelihood.block(make(), IDS, ANSWER)
