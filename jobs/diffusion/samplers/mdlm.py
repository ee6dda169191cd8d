"""MDLM's ancestral sampler (Sahoo et al. 2024, arXiv 2406.07524, eq. 6 and section 4.2.2; code:
kuleshov-group/mdlm diffusion.py, _ddpm_caching_update, _ddpm_update, _analytic_update)."""

from collections.abc import Generator
from itertools import pairwise

import torch
from torch import Tensor

from jobs.diffusion.samplers.base import (
    Draws,
    Forward,
    Sampling,
    Start,
    Step,
    View,
    choose,
    columns,
    look,
    write,
)
from jobs.diffusion.samplers.by_chance import fill_by_chance
from jobs.diffusion.schedules import SCHEDULES
from jobs.specs.samplers import MDLMSampler

Spread = Generator[Forward | Step, Tensor, Tensor]
"""Writes words step by step; returns the canvases [B, L] with the masks that chance has left."""


def sample(start: Start, options: MDLMSampler) -> Sampling:
    """From time t to s each mask stays one with probability m_s / m_t, m = 1 - alpha, or becomes a token
    drawn from what the model says.

    All predictors have the same chances (MDLM's analytic step is its ddpm step, for its scores are
    normalised). The model is not told the time, so what it says of an unchanged canvas is unchanged:
    `ddpm_cache` asks once for each canvas.
    """
    as_published = options.predictor != "ddpm_cache" or options.precision == "float32"
    ids = yield from (_words_and_masks if as_published else _places_then_words)(start, options)
    at = columns(start.masked(ids))
    if len(at):
        view = yield from look(start, ids, at, start.attention_mask)
        tokens_BW = choose(view, float(options.predictor == "analytic"), start.draws, ids)
        yield write(start, ids, view, tokens_BW, start.masked(ids)[:, at])


def _places_then_words(start: Start, options: MDLMSampler) -> Spread:
    """Draws which masks become words, then the words: the same chances as in one draw, without a number for
    every word at every mask in every step."""

    def ask(ids: Tensor, at: Tensor) -> Generator[Forward, Tensor, tuple[View, Tensor]]:
        view = yield from look(start, ids, at, start.attention_mask)
        return view, choose(view, 1.0, start.draws, ids)

    shares = [1 - following / hidden for hidden, following in masked_shares(options)]
    return (yield from fill_by_chance(start, shares, ask))


def _words_and_masks(start: Start, options: MDLMSampler) -> Spread:
    """Draws a word or the mask in one, as published."""
    ids = start.ids
    precision = torch.float64 if options.precision == "float64" else torch.float32
    view: View | None = None
    for hidden, following in masked_shares(options):
        # 1. What the model says about the masks.
        at = columns(start.masked(ids))
        if not len(at):
            break
        if view is None or options.predictor != "ddpm_cache":
            view = yield from look(start, ids, at, start.attention_mask)
        # 2. For each a word, or still the mask.
        weights_BWV = view.logits.to(precision).softmax(-1) * (hidden - following)
        weights_BWV[..., start.mask_id] = following
        tokens_BW = draw(weights_BWV, ids, at, start.draws)
        # 3. Write the words. Where all are masks still, the canvas is as it was.
        revealed_BW = start.masked(ids)[:, at] & (tokens_BW != start.mask_id)
        if bool(revealed_BW.any()):
            step = write(start, ids, view, tokens_BW, revealed_BW)
            ids, view = step.ids, None
            yield step
    return ids


def masked_shares(options: MDLMSampler) -> list[tuple[float, float]]:
    """[steps] (m_t, m_s): the shares that are masked before and after each step, from time 1 down to `eps`,
    without noise removal to 0."""
    end = options.eps if options.noise_removal else 0.0
    time = torch.linspace(1, end, options.steps + 1, dtype=torch.float64)
    hidden = (1 - SCHEDULES[options.schedule].alpha(time)).clamp(0, 1).tolist()
    hidden = hidden if options.noise_removal else [*hidden[:-1], 0.0]
    return list(pairwise(hidden))


def draw(weights_BWV: Tensor, ids: Tensor, at: Tensor, draws: Draws) -> Tensor:
    """[B, W] tokens, each with the share of its weight, in the weights' own precision.

    argmax of weight / -log u; the 1e-10 are the published code's, and keep the quotient finite.
    """
    uniform_BWV = draws.uniform(ids, at, weights_BWV.shape[-1], weights_BWV.dtype)
    return (weights_BWV / (1e-10 - (uniform_BWV + 1e-10).log())).argmax(-1)
