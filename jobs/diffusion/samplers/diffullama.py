"""DiffuGPT's and DiffuLLaMA's sampler (Gong et al. 2025, arXiv 2410.17891).

Code: HKUNLP/DiffuLLaMA model.py for `random`, LLaMA-Factory/src/llamafactory/train/ddm/trainer.py for `topk`.
"""

from collections.abc import Generator

import torch
from torch import Tensor

from jobs.diffusion.denoiser import probabilities
from jobs.diffusion.samplers.base import Forward, Sampling, Start, View, choose, columns, write
from jobs.diffusion.samplers.by_chance import fill_by_chance
from jobs.diffusion.samplers.filters import keep_top_p
from jobs.specs.samplers import DiffuLLaMASampler


def sample(start: Start, options: DiffuLLaMASampler) -> Sampling:
    """Fill every mask, in random order or by the tokens' probability."""
    return _at_random(start, options) if options.alg == "random" else _by_probability(start, options)


def _at_random(start: Start, options: DiffuLLaMASampler) -> Sampling:
    """With t steps left each mask is written with probability 1 / t."""

    def ask(ids: Tensor, at: Tensor) -> Generator[Forward, Tensor, tuple[View, Tensor]]:
        view, shaped = yield from _read(start, options, ids, at)
        return view, _choose(start, options, ids, shaped)

    yield from fill_by_chance(start, [1 / left for left in range(options.steps, 0, -1)], ask)


def _by_probability(start: Start, options: DiffuLLaMASampler) -> Sampling:
    """Each step ranks all positions that were masked at first by the probability of the token now chosen
    there. The lowest share t / T of them stay masked; written ones take part in the ranking, but stay."""
    ids, open_BL = start.ids, ~start.given
    was_open_BL, at = open_BL, columns(open_BL)
    read = None
    for left in range(options.steps - 1, -1, -1):
        if not bool(open_BL.any()):
            return
        # 1. What the model says, at written positions too. An unchanged canvas has an unchanged answer.
        read = read or (yield from _read(start, options, ids, at))
        view, shaped = read
        tokens_BW = _choose(start, options, ids, shaped)
        # 2. The probability that a position must reach.
        score_BW = shaped.chance(tokens_BW).masked_fill(~was_open_BL[:, at], torch.inf)
        stay_B = (was_open_BL.sum(1).float() * (left / options.steps)).long()
        least_B1 = score_BW.sort(1).values.gather(1, stay_B[:, None])
        chosen_BW = open_BL[:, at] & ~(score_BW < least_B1)  # a NaN counts, so that `write` tells of it
        if not bool(chosen_BW.any()):
            continue
        # 3. Write them.
        step = write(start, ids, view, tokens_BW, chosen_BW)
        ids, read, open_BL = step.ids, None, open_BL.clone()
        open_BL[:, at] &= ~chosen_BW
        yield step


def _read(
    start: Start, options: DiffuLLaMASampler, ids: Tensor, at: Tensor
) -> Generator[Forward, Tensor, tuple[View, View]]:
    """What the model says about the columns `at` [W], as it is and after temperature and top-p. The mask
    token is taken out of both, unless it may be written."""
    logits_BWV = yield Forward(ids, at, start.attention_mask)
    never = [*start.suppress, *(() if options.allow_mask_token else (start.mask_id,))]
    if never:
        logits_BWV[..., never] = -torch.inf
    view = View(at, logits_BWV, probabilities(logits_BWV))
    if options.temperature > 0:
        logits_BWV = logits_BWV / options.temperature
    if options.top_p is not None and options.top_p < 1:
        logits_BWV = keep_top_p(logits_BWV, options.top_p)
    return view, View(at, logits_BWV, probabilities(logits_BWV))


def _choose(start: Start, options: DiffuLLaMASampler, ids: Tensor, shaped: View) -> Tensor:
    """A token [B, W] a column; the temperature is in `shaped` already."""
    return choose(shaped, float(options.temperature > 0 and not options.greedy), start.draws, ids)
