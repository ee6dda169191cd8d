"""How likely a model finds a text: estimates of log p(scored tokens | the rest), in nats.

    llada       Monte Carlo over exact numbers of masks (ML-GSAI/LLaDA get_log_likelihood.py)
    dream_mc    Monte Carlo over independent masks at spread times (DreamLM/Dream eval/eval.py, nll_type mc)
    dream_ftb   token by token, from the front to the back (the same, nll_type ar_ftb): exact for that order
    dream_btf   token by token, from the back to the front (nll_type ar_btf): exact for that order
    diffullama  a score and no likelihood: minus the mean cross-entropy over evenly spaced noise levels
                (HKUNLP/DiffuLLaMA evaluation/eval-diffugpt.py, eval_forward)
    block       Monte Carlo bound of block-diffusion models, block by block beside the clean text
                (Arriola et al. 2025, arXiv 2503.09573, eq. 8)

`llada`, `dream_mc` and `block` estimate a lower bound; `exact_bound` adds it up over all masks.
A text is one row [L]; `scored` [L] bool marks its n scored tokens. Higher is likelier, for all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor

from jobs.diffusion.denoiser import Denoiser, guided
from jobs.diffusion.objectives.base import draw, model_inputs, wanted_outputs
from jobs.diffusion.objectives.block import beside_clean

TIME_EPSILON = 1e-3  # smallest masking probability of Dream's estimate (sampling_eps)


@dataclass(frozen=True)
class Masks:
    """Some draws of masks over one text."""

    masked: Tensor
    """[D, L] bool."""
    weights: Tensor
    """[D, L] float: what the cross-entropy at each masked token is multiplied with."""


def scored_tokens(length: int, prompt_length: int, log_type: str = "ftb") -> Tensor:
    """[L] bool: which tokens to score. log_type as in Dream: ftb the answer, given the prompt; btf the
    prompt, given the answer; union both."""
    in_prompt = torch.arange(length) < prompt_length
    return {"ftb": ~in_prompt, "btf": in_prompt, "union": torch.ones_like(in_prompt)}[log_type]


def llada(
    denoiser: Denoiser,
    ids: Tensor,
    scored: Tensor,
    samples: int = 128,
    batch_size: int = 16,
    cfg_scale: float = 0.0,
    generator: torch.Generator | None = None,
) -> float:
    """LLaDA's estimate: each batch spreads its numbers of masks evenly over 1..n (Nie et al. 2025, arXiv
    2502.09992, eq. 6). `samples` is rounded up to whole batches."""
    total, batches = 0.0, -(-samples // batch_size)
    for _ in range(batches):
        masks = counted_masks(scored, batch_size, generator)
        total += _log_probability(denoiser, ids, masks, cfg_scale, given=~scored) / batch_size
    return total / batches


def counted_masks(scored: Tensor, rows: int, generator: torch.Generator | None = None) -> Masks:
    """`rows` draws with exact numbers of masks l, evenly spread over 1..n from a random start; a draw's
    weight is n / l."""
    places_n = scored.nonzero()[:, 0]
    n = len(places_n)
    start = int(randint(n, scored, generator)) + 1
    # numbers as in LLaDA: linspace from the start on, rounded, wrapped into 1..n
    numbers_D = torch.linspace(start, start + (rows - 1) * (n / rows), rows).round().long()
    numbers_D = ((numbers_D - 1) % n + 1).to(scored.device)
    first_Dn = torch.arange(n, device=scored.device) < numbers_D[:, None]
    shuffled_Dn = torch.stack([row[randperm(n, scored, generator)] for row in first_Dn])
    masked = torch.zeros(rows, len(scored), dtype=torch.bool, device=scored.device)
    masked[:, places_n] = shuffled_Dn
    return Masks(masked, (n / numbers_D.float())[:, None].expand(masked.shape))


def randint(n: int, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """A number out of 0..n-1, drawn as `draw` draws."""
    return (draw((), like, generator) * n).long().clamp(max=n - 1)


def randperm(n: int, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """A permutation of 0..n-1, drawn as `draw` draws."""
    return draw((n,), like, generator).argsort()


def dream_mc(
    denoiser: Denoiser,
    ids: Tensor,
    scored: Tensor,
    samples: int = 128,
    batch_size: int = 32,
    cfg_scale: float = 0.0,
    generator: torch.Generator | None = None,
) -> float:
    """Dream's estimate: each scored token masked on its own with probability p = (1 - eps) t + eps, times
    spread over a batch; cross-entropy over p. The first and the last token are never masked (the last is
    meant to be an end-of-text token that stays visible)."""
    scored = scored.clone()
    scored[[0, -1]] = False
    total, batches = 0.0, -(-samples // batch_size)
    for _ in range(batches):
        start = draw((1,), ids, generator)
        time_D = (start + torch.arange(batch_size, device=ids.device) / batch_size) % 1
        p_DL = ((1 - TIME_EPSILON) * time_D + TIME_EPSILON)[:, None].expand(-1, len(ids))
        masked = (draw((batch_size, len(ids)), ids, generator) < p_DL) & scored
        total += _log_probability(denoiser, ids, Masks(masked, 1 / p_DL), cfg_scale, ~scored) / batch_size
    return total / batches


def dream_ftb(denoiser: Denoiser, ids: Tensor, scored: Tensor, batch_size: int = 32) -> float:
    """Each scored token given those before it, those behind it masked: n forward passes."""
    return _one_by_one(denoiser, ids, scored.nonzero()[:, 0], batch_size)


def dream_btf(denoiser: Denoiser, ids: Tensor, scored: Tensor, batch_size: int = 32) -> float:
    """Each scored token given those behind it, those before it masked: n forward passes."""
    return _one_by_one(denoiser, ids, scored.nonzero()[:, 0].flip(0), batch_size)


def _one_by_one(denoiser: Denoiser, ids: Tensor, order: Tensor, batch_size: int) -> float:
    """log p of the tokens at `order` [n], each given those before it in that order and all others."""
    n = len(order)
    masked_nL = torch.zeros(n, len(ids), dtype=torch.bool, device=ids.device)
    for turn in range(n):
        masked_nL[turn, order[turn:]] = True
    now_nL = F.one_hot(order, len(ids)).bool()
    parts = zip(masked_nL.split(batch_size), now_nL.split(batch_size), strict=True)
    return sum(_log_probability(denoiser, ids, Masks(m, now.float())) for m, now in parts)


def diffullama(
    denoiser: Denoiser,
    ids: Tensor,
    scored: Tensor,
    steps: int = 32,
    batch_size: int = 32,
    generator: torch.Generator | None = None,
) -> float:
    """DiffuLLaMA's score: at each level t/T each scored token is masked with that probability; minus the mean
    cross-entropy over the masked tokens, averaged over the levels. A level without a mask counts 0."""
    level_T = torch.arange(steps, 0, -1, device=ids.device) / steps
    masked_TL = (draw((steps, len(ids)), ids, generator) < level_T[:, None]) & scored
    if denoiser.config.shifted_logits:
        masked_TL[:, 0] = False  # nothing speaks for it
    weight_TL = (1 / masked_TL.sum(1).clamp(min=1))[:, None].expand(masked_TL.shape)
    parts = zip(masked_TL.split(batch_size), weight_TL.split(batch_size), strict=True)
    return sum(_log_probability(denoiser, ids, Masks(*part)) for part in parts) / steps


def _log_probability(
    denoiser: Denoiser, ids: Tensor, masks: Masks, cfg_scale: float = 0.0, given: Tensor | None = None
) -> float:
    """Sum over draws and masked tokens of weight x log p(token). `given` [L] is what guidance hides."""
    rows = len(masks.masked)
    truth = ids.expand(rows, -1)
    noised = truth.masked_fill(masks.masked, denoiser.mask_id)
    hidden = torch.zeros_like(masks.masked) if given is None else given.expand(rows, -1)
    logits = guided(denoiser, noised, hidden, cfg_scale, None, slice(None))
    losses = F.cross_entropy(logits[masks.masked], truth[masks.masked], reduction="none")
    return -(losses.double() * masks.weights[masks.masked]).sum().item()


@torch.no_grad()
def block(
    denoiser: Denoiser,
    ids: Tensor,
    scored: Tensor,
    samples: int = 128,
    batch_size: int = 16,
    generator: torch.Generator | None = None,
    block_size: int | None = None,
) -> float:
    """The bound of a block-diffusion model: the sum over blocks of LLaDA's estimate within the block, given
    the clean blocks before it. One pass over [x_t ; x_0] serves all blocks.

    Raises: ValueError without a block size, in the checkpoint or here.
    """
    size = block_size or denoiser.config.block_size
    if size is None:
        raise ValueError("a likelihood by blocks needs a block size, and the checkpoint has none")
    total, batches = 0.0, -(-samples // batch_size)
    for _ in range(batches):
        # 1. Masks for each block on its own, for all blocks at once.
        masked = torch.zeros(batch_size, len(ids), dtype=torch.bool, device=ids.device)
        weights = torch.ones(batch_size, len(ids), device=ids.device)
        for start in range(0, len(ids), size):
            part = slice(start, start + size)
            if bool(scored[part].any()):
                drawn = counted_masks(scored[part], batch_size, generator)
                masked[:, part], weights[:, part] = drawn.masked, drawn.weights
        # 2. The cross-entropy at the masked tokens of the noised half.
        losses = _beside_clean_losses(denoiser, ids.expand(batch_size, -1), masked, size)
        total -= (losses.double() * weights[masked]).sum().item() / batch_size
    return total / batches


def _beside_clean_losses(denoiser: Denoiser, ids: Tensor, masked: Tensor, block_size: int) -> Tensor:
    noised = ids.masked_fill(masked, denoiser.mask_id)
    view = beside_clean(noised, ids, block_size, None)
    wanted = wanted_outputs(masked, denoiser.config.shifted_logits, view.input_ids.shape[1])
    inputs = model_inputs(denoiser.model, view)
    logits = denoiser.model(**inputs, logits_to_keep=wanted).logits.float()
    return F.cross_entropy(logits, ids[masked], reduction="none")


def exact_bound(denoiser: Denoiser, ids: Tensor, scored: Tensor, batch_size: int = 64) -> float:
    """The bound that `llada` and `dream_mc` estimate, added up over all 2^n - 1 masks: for short answers.

    A set of l of the n tokens has weight 1 / (l C(n, l)): numbers of masks are equally likely, and so are
    sets of one size.
    """
    total = 0.0
    for masks in _all_masks(scored, batch_size):
        total += _log_probability(denoiser, ids, masks)
    return total


def _all_masks(scored: Tensor, batch_size: int) -> Iterator[Masks]:
    places = scored.nonzero()[:, 0].tolist()
    sets = [chosen for size in range(1, len(places) + 1) for chosen in combinations(places, size)]
    for start in range(0, len(sets), batch_size):
        some = sets[start : start + batch_size]
        masked = torch.zeros(len(some), len(scored), dtype=torch.bool, device=scored.device)
        for row, chosen in enumerate(some):
            masked[row, list(chosen)] = True
        size_D = masked.sum(1).double()
        n = torch.tensor(float(len(places)), dtype=torch.double)
        log_choices = torch.lgamma(n + 1) - torch.lgamma(size_D + 1) - torch.lgamma(n - size_D + 1)
        yield Masks(masked, (-log_choices - size_D.log()).exp()[:, None].expand(masked.shape))


LIKELIHOODS: dict[str, Callable[..., float]] = {
    "llada": llada,
    "dream_mc": dream_mc,
    "dream_ftb": dream_ftb,
    "dream_btf": dream_btf,
    "diffullama": diffullama,
    "block": block,
}
