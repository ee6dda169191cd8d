"""SEDD's score entropy: the published formula word by word, and the exact likelihood of a tiny text."""

import math
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from transformers.modeling_outputs import CausalLMOutput

from jobs.diffusion.objectives import Batch, Noised, build_objective, training_loss
from jobs.diffusion.objectives.base import loss_of_noised
from jobs.diffusion.objectives.sedd import NOISE_END
from jobs.models.debug import debug_checkpoint
from jobs.models.tokenizers import character_tokenizer
from jobs.specs.objective import SEDDObjective

WORDS, LENGTH = 3, 3
MASK = WORDS
NEVER = -1e4
SEDD = build_objective(SEDDObjective())


class Table(nn.Module):
    """Logits [B, L, V] looked up by the noised text. `seen` keeps the noise levels that it was told."""

    def __init__(self, logits: dict[tuple[int, ...], Tensor]):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.logits = logits
        self.seen: list[Tensor] = []

    def forward(self, input_ids: Tensor, sigma: Tensor, use_cache: bool = False) -> CausalLMOutput:
        self.seen.append(sigma)
        rows = [self.logits[tuple(row.tolist())] for row in input_ids]
        return CausalLMOutput(logits=torch.stack(rows) * self.scale)


def noised_texts() -> list[tuple[int, ...]]:
    return list(product(range(WORDS + 1), repeat=LENGTH))


def with_masks(clean: Tensor, masked: Tensor, time: float) -> Noised:
    times = torch.full(clean.shape, time)
    return Noised(clean.masked_fill(masked, MASK), masked, (1 - NOISE_END) * times, times)


def loss_of(model: nn.Module, clean: Tensor, noised: Noised) -> Tensor:
    batch = Batch(clean, torch.ones_like(clean, dtype=torch.bool))
    return loss_of_noised(SEDD, model, noised, SEDD.view(noised, batch), batch).loss


def test_it_is_the_published_score_entropy():
    """graph_lib.py's Absorbing.score_entropy on log scores scaled as SEDD scales them, times the rate of
    noise, added up over positions, the mean over rows."""
    generator = torch.Generator().manual_seed(0)
    model = Table({t: torch.randn(LENGTH, WORDS + 1, generator=generator) for t in noised_texts()})
    for table in model.logits.values():
        table[:, MASK] = NEVER
    clean = torch.tensor([[0, 2, 1], [1, 1, 0]])
    masked = torch.tensor([[True, False, True], [False, True, False]])
    time = 0.4
    total = 0.0
    sigma = -math.log1p(-(1 - NOISE_END) * time)
    rate = (1 - NOISE_END) / (1 - (1 - NOISE_END) * time)
    for row in range(2):
        noised = tuple(clean[row].masked_fill(masked[row], MASK).tolist())
        for position in masked[row].nonzero()[:, 0]:
            outputs = model.logits[noised][position]
            log_score = outputs - math.log(math.exp(sigma) - 1) - math.log(WORDS)
            ratio = 1 / (math.exp(sigma) - 1)
            positive = sum(math.exp(log_score[word]) for word in range(WORDS))
            negative = ratio * log_score[clean[row, position]].item()
            total += rate * (positive - negative + ratio * (math.log(ratio) - 1)) / 2
    assert loss_of(model, clean, with_masks(clean, masked, time)).item() == pytest.approx(total, rel=1e-5)
    assert torch.allclose(model.seen[0], torch.full((2,), sigma))


@pytest.mark.parametrize("drift", [0.0, 0.3])
def test_for_exact_scores_the_expected_loss_is_the_likelihood(drift: float):
    """Summed over all masks and integrated over time it is -log p of the text. Scores off by e^c cost
    e^c - 1 - c more a token, which a plain cross-entropy would not see."""
    generator = torch.Generator().manual_seed(1)
    joint = torch.rand(*[WORDS] * LENGTH, generator=generator, dtype=torch.float64)
    joint /= joint.sum()
    model = Table({text: conditionals(joint, text) + math.log(WORDS) + drift for text in noised_texts()})
    clean = torch.tensor([[2, 0, 1]])
    nodes, weights = gauss_legendre(8)
    expected = 0.0
    for time, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
        for flags in product([False, True], repeat=LENGTH):
            masked = torch.tensor([flags])
            chance = 1 - NOISE_END
            probability = (chance * time) ** sum(flags) * (1 - chance * time) ** (LENGTH - sum(flags))
            if any(flags):
                loss = loss_of(model, clean, with_masks(clean, masked, time)).item()
                expected += weight * probability * loss
    truth = -math.log(joint[tuple(clean[0])]) + LENGTH * (math.exp(drift) - 1 - drift)
    assert expected == pytest.approx(truth, abs=0.01)  # noise ends a thousandth before everything is masked


def conditionals(joint: Tensor, text: tuple[int, ...]) -> Tensor:
    """log p(word | readable tokens) [L, V] at each masked position, the mask impossible."""
    seen = joint[tuple(slice(None) if token == MASK else slice(token, token + 1) for token in text)]
    out = torch.full((LENGTH, WORDS + 1), NEVER, dtype=torch.float32)
    for position, token in enumerate(text):
        if token == MASK:
            marginal = seen.sum([axis for axis in range(LENGTH) if axis != position])
            out[position, :WORDS] = (marginal / marginal.sum()).log().float()
    return out


def gauss_legendre(count: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights on [0, 1], exact for polynomials of degree below 2 count (Golub and Welsch 1969)."""
    index = torch.arange(1, count, dtype=torch.float64)
    beside = index / (4 * index**2 - 1).sqrt()
    values, vectors = torch.linalg.eigh(torch.diag(beside, 1) + torch.diag(beside, -1))
    return (values + 1) / 2, vectors[0] ** 2


def test_the_noise_is_log_linear():
    """At time t a token is masked with probability 1 - e^-sigma, sigma = -log(1 - (1 - 0.001) t)."""
    ids = torch.zeros(64, 500, dtype=torch.long)
    noised = SEDD.noise(ids, torch.ones_like(ids, dtype=torch.bool), MASK, torch.Generator().manual_seed(0))
    sigma = -torch.log(1 - 0.999 * noised.time)
    assert torch.allclose(noised.p_mask, 1 - torch.exp(-sigma), atol=1e-5)
    assert torch.allclose(noised.masked.float().mean(1), noised.p_mask[:, 0], atol=0.1)


def test_inside_the_head_and_from_the_logits_it_is_the_same():
    made = debug_checkpoint("sedd", character_tokenizer("abcdefghijklmnop"))
    ids = torch.randint(16, (4, 12), generator=torch.Generator().manual_seed(0))

    def both(model: nn.Module) -> tuple[Tensor, Tensor]:
        made.model.zero_grad()
        lost = training_loss(
            SEDD, model, ids, torch.ones_like(ids, dtype=torch.bool), mask_id=made.config.mask_token_id,
            generator=torch.Generator().manual_seed(1),
        )  # fmt: skip
        lost.loss.backward()
        return lost.loss.detach(), made.model.embed_tokens.weight.grad.clone()

    class Outside(nn.Module):  # no get_output_embeddings: the loss is computed from the logits
        def __init__(self) -> None:
            super().__init__()
            self.inner = made.model

        def forward(self, input_ids: Tensor, sigma: Tensor, logits_to_keep: Tensor, use_cache: bool):
            return self.inner(input_ids, sigma=sigma, logits_to_keep=logits_to_keep)

    inside, outside = both(made.model), both(Outside())
    assert torch.allclose(inside[0], outside[0], rtol=1e-5)
    assert torch.allclose(inside[1], outside[1], atol=1e-4 * inside[1].abs().max())


def test_training_normalises_the_scores():
    """Under cross-entropy alone the log-partition may be anything; here it falls to nothing."""
    made = debug_checkpoint("sedd", character_tokenizer("abcdefghijklmnop"))
    with torch.no_grad():
        made.model.lm_head.bias += 1.0
    ids = torch.randint(16, (8, 12), generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.AdamW(made.model.parameters(), lr=1e-2)

    def partition() -> float:
        return (
            (made.model(ids.masked_fill(ids < 8, 18)).logits.logsumexp(-1) - math.log(18)).abs().mean().item()
        )

    before = partition()
    for step in range(25):
        optimizer.zero_grad()
        training_loss(
            SEDD, made.model, ids, torch.ones_like(ids, dtype=torch.bool), mask_id=18,
            generator=torch.Generator().manual_seed(step),
        ).loss.backward()  # fmt: skip
        optimizer.step()
    assert partition() < before / 2
