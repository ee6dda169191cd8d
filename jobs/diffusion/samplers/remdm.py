"""ReMDM's sampler (Wang et al. 2025, arXiv 2503.00307, section 4; code: kuleshov-group/remdm diffusion.py,
_ddpm_caching_update)."""

from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from jobs.diffusion.samplers.base import Sampling, Start, Step, columns, look, write
from jobs.diffusion.samplers.filters import draw
from jobs.specs.samplers import ReMDMSampler

LAST_TIME = 1e-5  # where the clock, which starts at 1, stops


class Chances(NamedTuple):
    """What one step does."""

    write: float
    """Probability that a mask is written."""
    mask: float
    """Probability that a written token is masked again; for `conf` all of a row's tokens share it."""


def sample(start: Start, options: ReMDMSampler) -> Sampling:
    """Write masks and mask written tokens again, by chance, until time is over; then fill what is left.

    The published code asks the model again only when the canvas has changed. Here chance decides first where
    to write, so the model is asked only in steps that write, which is the same in distribution.
    """
    ids, draws = start.ids, start.draws
    doubt_BL = torch.zeros(ids.shape, device=ids.device)  # how unsure each token was when it was written
    times = torch.linspace(1, LAST_TIME, options.steps + 1, dtype=torch.float64).tolist()
    for time, later in pairwise(times):
        chance = chances(options, time, later)
        # 1. Which masks are written and which tokens masked again. No token is both, so the order is free.
        written_BL = start.masked(start.ids) & ~start.masked(ids)
        writes_BL = _happens(start, start.masked(ids), torch.full_like(doubt_BL, chance.write))
        masks_BL = _happens(start, written_BL, _shared(options, chance.mask, doubt_BL, written_BL))
        if not bool((writes_BL | masks_BL).any()):
            continue
        # 2. What is written.
        step = Step(ids, torch.zeros_like(writes_BL), torch.zeros_like(doubt_BL))
        at = columns(writes_BL)
        if len(at):
            view = yield from look(start, ids, at, start.attention_mask)
            drawn = draw(view, options.temperature, None, options.top_p, draws, ids)
            step = write(start, ids, view, drawn.tokens, writes_BL[:, at])
            doubt_BL[:, at] = torch.where(writes_BL[:, at], 1 - drawn.confidence, doubt_BL[:, at])
        # 3. What is masked again.
        ids = step.ids.masked_fill(masks_BL, start.mask_id)
        yield replace(step, ids=ids, remasked=masks_BL if bool(masks_BL.any()) else None)
    # 4. Time is over: the likeliest token for every mask that is left.
    open_BL = start.masked(ids)
    at = columns(open_BL)
    if len(at):
        view = yield from look(start, ids, at, start.attention_mask)
        yield write(start, ids, view, view.logits.argmax(-1), open_BL[:, at])


def chances(options: ReMDMSampler, time: float, later: float) -> Chances:
    """What the step from `time` to `later` does, so that the share of the text that is written goes from
    alpha(time) to alpha(later) although sigma of it is masked again (section 4.1 and 4.2)."""
    alpha, after = written_share(options, time), written_share(options, later)
    most = min(1.0, (1 - after) / alpha) if alpha > 0 else 1.0
    if options.strategy == "loop":
        sigma = min(options.eta, most) if options.t_off < time <= options.t_on else 0.0
    else:
        sigma = {"cap": min(options.eta, most), "rescale": options.eta * most, "conf": most}[options.strategy]
    # In the published code the confidence strategy writes as many as if nothing were masked again.
    lost = 0.0 if options.strategy == "conf" else sigma * alpha
    return Chances(min(1.0, (after - alpha + lost) / (1 - alpha)), sigma)


def written_share(options: ReMDMSampler, time: float) -> float:
    """alpha(t), the share of the text that is written at a time: falling evenly to 0 at time 1; for `loop`
    it stands at alpha_on between t_on and t_off."""
    if options.strategy != "loop":
        return 1 - time
    if time > options.t_on:
        return (1 - time) * options.alpha_on / (1 - options.t_on)
    return options.alpha_on if time > options.t_off else 1 - time * (1 - options.alpha_on) / options.t_off


def _happens(start: Start, where_BL: Tensor, chance_BL: Tensor) -> Tensor:
    """[B, L] bool: which of `where_BL` chance picks."""
    at = columns(where_BL)
    picked_BL = torch.zeros_like(where_BL)
    if len(at):
        picked_BL[:, at] = where_BL[:, at] & (start.draws.uniform(start.ids, at) < chance_BL[:, at])
    return picked_BL


def _shared(options: ReMDMSampler, sigma: float, doubt_BL: Tensor, written_BL: Tensor) -> Tensor:
    """[B, L] the probability of each written token to be masked again: sigma; for `conf` its share of sigma,
    softmax of minus the probability that it was written with."""
    if options.strategy != "conf":
        return torch.full_like(doubt_BL, sigma)
    return sigma * doubt_BL.masked_fill(~written_BL, -torch.inf).softmax(1).nan_to_num(0.0)
