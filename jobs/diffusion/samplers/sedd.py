"""SEDD's analytic sampler (Lou et al. 2024, arXiv 2310.16834, section 4.2; code:
louaaron/Score-Entropy-Discrete-Diffusion sampling.py, AnalyticPredictor and Denoiser)."""

import math
from collections.abc import Generator
from itertools import pairwise

import torch
from torch import Tensor

from jobs.diffusion.samplers.base import Forward, Sampling, Start, View, columns, write
from jobs.diffusion.samplers.mdlm import draw
from jobs.specs.samplers import SEDDSampler

NOISE_END = 1e-3  # the share of tokens that is still readable at time 1 (noise_lib.py, LogLinearNoise)


def sample(start: Start, options: SEDDSampler) -> Sampling:
    """From noise sigma to sigma' each mask becomes word y with the chance (e^(sigma - sigma') - 1) s_y.

    The score s_y = e^(z_y) / (K (e^sigma - 1)) has the model's outputs z and K words. Were the scores exact,
    their sum would be 1 / (e^sigma - 1) and the chance of any word MDLM's; the model's own sum decides here.
    """
    ids, draws = start.ids, start.draws
    precision = torch.float64 if options.precision == "float64" else torch.float32
    for sigma, following in pairwise([*noise_levels(options), 0.0]):
        # 1. What the model says about the masks at this noise.
        masked_BL = start.masked(ids)
        at = columns(masked_BL)
        if not len(at):
            return
        view = yield from _read(start, ids, at, sigma)
        # 2. A word, or still the mask; in the end a word.
        weights_BWV = view.logits.to(precision).softmax(-1)
        if following > 0:
            chance_BW = reveal_chance(view.logits.to(precision), sigma, following)
            weights_BWV = weights_BWV * chance_BW[..., None]
            weights_BWV[..., start.mask_id] = 1 - chance_BW
        tokens_BW = draw(weights_BWV, ids, at, draws)
        # 3. Write the words.
        revealed_BW = masked_BL[:, at] & (tokens_BW != start.mask_id)
        if bool(revealed_BW.any()):
            step = write(start, ids, view, tokens_BW, revealed_BW)
            ids = step.ids
            yield step


def noise_levels(options: SEDDSampler) -> list[float]:
    """[steps + 1] the total noise sigma before each step and after the last: -log(1 - 0.999 t) for times t
    from 1 down to `eps`."""
    time = torch.linspace(1, options.eps, options.steps + 1, dtype=torch.float64)
    return (-torch.log1p(-(1 - NOISE_END) * time)).tolist()


def reveal_chance(logits_BWV: Tensor, sigma: float, following: float) -> Tensor:
    """[B, W] the chance that a mask becomes a word between two noise levels; scores that sum to too much make
    it 1. `logits_BWV` has the mask impossible."""
    normal = math.expm1(sigma - following) / math.expm1(sigma)  # the chance of exact scores
    log_sum_BW = logits_BWV.logsumexp(-1) - math.log(logits_BWV.shape[-1] - 1)
    return (math.log(normal) + log_sum_BW).exp().clamp(max=1)


def _read(start: Start, ids: Tensor, at: Tensor, sigma: float) -> Generator[Forward, Tensor, View]:
    level_B = torch.full((len(ids),), sigma, device=ids.device)
    logits_BWV = yield Forward(ids, at, start.attention_mask, sigma=level_B)
    return View.of(start, logits_BWV, at)
