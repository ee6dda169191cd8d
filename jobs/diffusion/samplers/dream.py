"""Dream's sampler (Ye et al. 2025, arXiv 2508.15487; code: DreamLM/Dream, diffusion_generate, and
ZHZisZZ/dllm pipelines/dream/sampler.py for `quota: dllm` and guidance)."""

from collections.abc import Generator, Iterator
from itertools import zip_longest

import torch
from torch import Tensor

from jobs.diffusion.samplers.base import (
    Draws,
    Forward,
    Sampling,
    Start,
    View,
    choose,
    columns,
    look,
    surest,
    write,
)
from jobs.diffusion.samplers.by_chance import fill_by_chance
from jobs.diffusion.samplers.dllm_mdlm import due_tokens
from jobs.diffusion.samplers.filters import keep_top_k, keep_top_p
from jobs.diffusion.schedules import SCHEDULES
from jobs.specs.samplers import DreamSampler


def sample(start: Start, options: DreamSampler) -> Sampling:
    """Fill every mask: where chance says so (`origin`), or where the model is clearest."""
    return _by_chance(start, options) if options.alg == "origin" else _by_clearness(start, options)


def _by_chance(start: Start, options: DreamSampler) -> Sampling:
    """In the step from time t to s each mask is written with probability 1 - s / t, in the last surely."""

    def ask(ids: Tensor, at: Tensor) -> Generator[Forward, Tensor, tuple[View, Tensor]]:
        view = yield from look(start, ids, at, start.attention_mask, cfg_scale=options.cfg_scale)
        return view, _choose(shaped(view, options, start.mask_id), options, start.draws, ids)

    yield from fill_by_chance(start, shares(options.steps, options.eps), ask)


def _by_clearness(start: Start, options: DreamSampler) -> Sampling:
    """Each step writes the positions that the model is clearest about."""
    ids, draws = start.ids, start.draws
    for take in due(start.masked(ids).sum(1), options):
        if not any(take):
            continue
        # 1. What the model says about the masks, after temperature and filters.
        open_BL = start.masked(ids)
        at = columns(open_BL)
        view = yield from look(start, ids, at, start.attention_mask, cfg_scale=options.cfg_scale)
        from_view = shaped(view, options, start.mask_id)
        tokens_BW = _choose(from_view, options, draws, ids)
        # 2. How clear it is, and by luck more or less so: adding Gumbel noise and taking the highest draws
        #    positions one by one without putting them back, as torch.multinomial does.
        clear_BW = clearness(from_view, tokens_BW, options.alg)
        if options.alg_temp > 0:
            uniform_BW = draws.uniform(ids, at).clamp(min=torch.finfo(torch.float32).tiny)
            clear_BW = clear_BW / options.alg_temp - (-uniform_BW.log()).log()
        # 3. Each row writes as many as are due.
        revealed_BW = surest(clear_BW, open_BL[:, at], at, take, ids.shape[1])
        step = write(start, ids, view, tokens_BW, revealed_BW)
        ids = step.ids
        yield step


def shares(steps: int, eps: float) -> list[float]:
    """[steps] the share 1 - s / t of the masks that each step from time t to s writes; the last writes all.
    float32 as published, for shares are cut off to whole numbers of tokens."""
    time = torch.linspace(1, eps, steps + 1, dtype=torch.float32)
    return [*(1 - time[1:-1] / time[:-2]).tolist(), 1.0]


def due(masks_B: Tensor, options: DreamSampler) -> Iterator[list[int]]:
    """How many positions each row writes in each step, of `masks_B` in all.

    The published code takes the mean of the batch for every row (`batch`): rows with fewer masks then write
    all they have, and the last step, unlike the published one, leaves none.
    """
    left_B = masks_B.cpu()
    if options.quota == "dllm":
        rows = [due_tokens(count, options.steps, SCHEDULES["linear"]) for count in left_B.tolist()]
        yield from (list(take) for take in zip_longest(*rows, fillvalue=0))
        return
    for share in shares(options.steps, options.eps):
        base_B = left_B.float()
        if options.quota == "batch":
            base_B = (left_B.sum() / len(left_B)).expand(len(left_B))
        take_B = left_B if share == 1 else torch.minimum((base_B * share).long(), left_B)
        left_B = left_B - take_B
        yield take_B.tolist()


def shaped(view: View, options: DreamSampler, mask_id: int) -> View:
    """The view after temperature, top-p and top-k: what Dream draws from and goes by.

    The mask token takes its part in all three, as published, but is not written: where a filter would leave
    nothing else, the likeliest other token stays.
    """
    best_BW1 = view.logits.argmax(-1, keepdim=True)
    logits_BWV = view.logits.clone()
    logits_BWV[..., mask_id] = _mask_logit(view, best_BW1, mask_id)
    if options.temperature > 0:
        logits_BWV /= options.temperature
    best_logit_BW1 = logits_BWV.gather(-1, best_BW1)
    if options.top_p is not None and options.top_p < 1:
        logits_BWV = keep_top_p(logits_BWV, options.top_p)
    if options.top_k is not None:
        logits_BWV = keep_top_k(logits_BWV, options.top_k)
    logits_BWV.scatter_(-1, best_BW1, best_logit_BW1)
    probability_BWV = logits_BWV.softmax(-1)
    logits_BWV[..., mask_id] = -torch.inf
    return View(view.at, logits_BWV, probability_BWV)


def _mask_logit(view: View, best_BW1: Tensor, mask_id: int) -> Tensor:
    """[B, W] the logit of the mask token, which the view has made impossible, from its probability."""
    tiny = torch.finfo(view.probability.dtype).tiny
    log_best_BW = view.probability.gather(-1, best_BW1).clamp(min=tiny).log()[..., 0]
    return view.logits.gather(-1, best_BW1)[..., 0] + view.probability[..., mask_id].log() - log_best_BW


def _choose(from_view: View, options: DreamSampler, draws: Draws, ids: Tensor) -> Tensor:
    return choose(from_view, float(options.temperature > 0), draws, ids)  # the temperature is in already


def clearness(view: View, tokens_BW: Tensor, alg: str) -> Tensor:
    """[B, W] how clear the model is: the token's probability, its lead, or the negative entropy in nats."""
    if alg == "maskgit_plus":
        return view.chance(tokens_BW)
    if alg == "topk_margin":
        best_BW2 = view.probability.topk(2).values
        return best_BW2[..., 0] - best_BW2[..., 1]
    return -torch.special.entr(view.probability).sum(-1)
