"""What samplers are given, what they ask for, what they tell, and the arithmetic they share.

A sampler is a generator over canvases. It yields a `Forward` where it needs the model and is sent the logits
for it (an `Own` for a model that is asked in a way of its own); it yields a `Step` when it has changed its
canvases. It never calls the model itself: whoever runs it (jobs.diffusion.unmask) counts the passes, stops it
between two of them, or answers many samplers' passes with one batch.

Shape suffixes: B rows, L positions, W columns whose logits are wanted, V vocabulary, R positions written in a
step (row-major order of `written`), K candidates.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from jobs.diffusion.caches import CanvasCache
from jobs.diffusion.denoiser import guide, probabilities
from jobs.protocol.errors import ModelError
from jobs.specs.diffusion_config import DiffusionConfig

CANDIDATES = 5


class Draws:
    """Where a sampler's random numbers come from; tests replay recorded ones through the same calls."""

    def __init__(self, generator: torch.Generator | None = None):
        self.generator = generator

    def uniform(
        self, ids: Tensor, at: Tensor, vocabulary: int | None = None, dtype: torch.dtype | None = None
    ) -> Tensor:
        """Numbers in [0, 1) for the columns `at`: float64 [B, W, V] for tokens, float32 [B, W] for positions
        (no vocabulary), or of the `dtype` that published code draws."""
        size = (len(ids), len(at)) + (() if vocabulary is None else (vocabulary,))
        dtype = dtype or (torch.float32 if vocabulary is None else torch.float64)
        source = self.generator.device if self.generator is not None else ids.device
        return torch.rand(size, generator=self.generator, device=source, dtype=dtype).to(ids.device)

    def on(self, device: torch.device) -> torch.Generator:
        """A generator on a device, for draws from whole vocabularies there: the one given, or one that begins
        from it."""
        if self.generator is not None and self.generator.device.type == device.type:
            return self.generator
        seed = int(torch.randint(2**62, (1,), generator=self.generator))
        return torch.Generator(device).manual_seed(seed)

    def binomial(self, count: int, chance: float) -> int:
        """How many of `count` happen, each with probability `chance` in [0, 1]."""
        where = self.generator.device if self.generator is not None else "cpu"
        count_and_chance = torch.tensor([count, chance], dtype=torch.float64, device=where)
        return int(torch.binomial(*count_and_chance, generator=self.generator))


@dataclass(frozen=True)
class Start:
    """Where a sampler starts."""

    ids: Tensor
    """[B, L] the canvases, with masks anywhere: after a prompt, between given words, or all over."""
    config: DiffusionConfig
    """What is to know of the model."""
    attention_mask: Tensor | None = None
    """[B, L], 0 at padding; None: there is none."""
    draws: Draws = field(default_factory=Draws)
    eos_id: int | None = None
    """The token that ends a text."""
    eot_id: int | None = None
    """The token that ends a turn, where it is another one."""
    suppress: tuple[int, ...] = ()
    """Tokens that are never written."""
    want_details: bool = False
    """Whether steps tell candidates and entropy."""
    new_cache: Callable[[int], CanvasCache] | None = None
    """An empty cache for so many positions. Raises: SpecError where the model keeps none."""

    @property
    def mask_id(self) -> int:
        return self.config.mask_token_id

    @cached_property
    def padding(self) -> Tensor:
        """[B, L] bool: padding, which is never written."""
        if self.attention_mask is None:
            return torch.zeros_like(self.ids, dtype=torch.bool)
        return self.attention_mask == 0

    @cached_property
    def given(self) -> Tensor:
        """[B, L] bool: what stands there from the start, padding too."""
        return (self.ids != self.mask_id) | self.padding

    def masked(self, ids: Tensor) -> Tensor:
        """[B, L] bool: what is still to be written on a canvas `ids`."""
        return (ids == self.mask_id) & ~self.given


@dataclass(frozen=True)
class Forward:
    """A forward pass that a sampler asks for; the answer is logits [B, W, V] in float32, its to change."""

    ids: Tensor
    """[B, L]; L and B need not be those of the start."""
    at: Tensor
    """[W] the columns whose logits are wanted."""
    attention_mask: Tensor | None = None
    """[B, L], 0 at padding."""
    feed: slice | None = None
    """The model is given these columns only and reads the others from `cache`; None: the whole canvas."""
    cache: CanvasCache | None = None
    blocks: Tensor | None = None
    """[B, L] block numbers for block-causal attention; None: as the model was trained."""
    sigma: Tensor | None = None
    """[B] the noise level, for a model that is told it; None: it goes by the share of masks."""
    passes: int = 1
    """What it counts as: guidance runs twice the rows and counts two."""

    @property
    def reads_alone(self) -> bool:
        """Whether it cannot share a batch with other canvases."""
        return self.cache is not None or self.blocks is not None or self.sigma is not None


@dataclass(frozen=True)
class Own:
    """A pass that a model makes in a way of its own, for models that are no denoisers; the answer is what
    `run` returns."""

    run: Callable[[nn.Module], Any]
    """Given the model, without gradients."""
    ids: Tensor
    """[B, L] the canvases it is about, for whoever plans its memory; so are the columns."""
    at: Tensor
    """[W] the columns."""
    passes: int = 1
    """What it counts as."""
    reads_alone: ClassVar[bool] = True
    """It shares no batch."""


@dataclass(frozen=True)
class Step:
    """The canvases after one step, and what changed."""

    ids: Tensor
    """[B, L] not written to afterwards."""
    revealed: Tensor
    """[B, L] bool: masks that were filled in this step."""
    probability: Tensor
    """[B, L] float: the model's probability of the token written; 0 elsewhere."""
    block: int = 0
    """Which block was being filled, from 0."""
    edited: Tensor | None = None
    """[B, L] bool: tokens that became other tokens."""
    remasked: Tensor | None = None
    """[B, L] bool: tokens that became masks again."""
    closed: Tensor | None = None
    """[B, L] bool: masks after the end of the text, filled without asking the model."""
    candidate_ids: Tensor | None = None
    """[R, K] likeliest tokens at the positions written, best first. Only with details."""
    candidate_probability: Tensor | None = None
    """[R, K] their probabilities."""
    entropy: Tensor | None = None
    """[B] mean entropy in nats of the positions that were masked before the step, of those the model was
    asked about; NaN for a row that had none. Only with details."""
    written_entropy: Tensor | None = None
    """[R] entropy in nats of what the model said at each position written. Only with details."""
    index: int = 0
    """Counts the steps, from 0. Set by whoever runs the sampler, as is `nfe`."""
    nfe: int = 0
    """Forward passes so far."""

    @property
    def written(self) -> Tensor:
        """[B, L] bool: where the model wrote a token."""
        return self.revealed if self.edited is None else self.revealed | self.edited


Sampling = Generator[Forward | Own | Step, Any, None]
"""A sampler at work."""


@dataclass(frozen=True)
class View:
    """What the model says about some columns of the canvases, ready to choose from."""

    at: Tensor
    """[W] the columns."""
    logits: Tensor
    """[B, W, V] with the mask token impossible."""
    probability: Tensor
    """[B, W, V] softmax of the logits, the mask token included."""

    @classmethod
    def of(cls, start: Start, logits_BWV: Tensor, at: Tensor, suppress: tuple[int, ...] = ()) -> "View":
        """`logits_BWV` is written to. `suppress`: more tokens that are not to be written."""
        never = [*start.suppress, *suppress]
        if never:
            logits_BWV[..., never] = -torch.inf
        probability_BWV = probabilities(logits_BWV)
        logits_BWV[..., start.mask_id] = -torch.inf
        return cls(at, logits_BWV, probability_BWV)

    def chance(self, tokens_BW: Tensor) -> Tensor:
        """[B, W] the model's probability of the tokens."""
        return self.probability.gather(-1, tokens_BW[..., None])[..., 0]


def look(
    start: Start,
    ids: Tensor,
    at: Tensor,
    attention_mask: Tensor | None,
    *,
    cfg_scale: float = 0.0,
    keep_in_guidance: Tensor | None = None,
    suppress: tuple[int, ...] = (),
    feed: slice | None = None,
    cache: CanvasCache | None = None,
    blocks: Tensor | None = None,
) -> Generator[Forward, Tensor, View]:
    """Ask for the canvases `ids` [B, L] to be read, guided if asked, and view the columns `at`.

    L may be less than the start's. `keep_in_guidance` [B, L] bool: given tokens that the unconditional half
    is shown too. `feed`, `cache`, `blocks`: see Forward; a cache holds both halves.
    """
    forward = Forward(ids, at, attention_mask, feed, cache, blocks)
    if cfg_scale == 0:
        logits_BWV = yield forward
    else:
        hide = start.given[:, : ids.shape[1]] & ~start.padding[:, : ids.shape[1]]
        hide = hide if keep_in_guidance is None else hide & ~keep_in_guidance
        both = torch.cat([ids, ids.masked_fill(hide, start.mask_id)])
        mask, numbers = (None if of is None else of.repeat(2, 1) for of in (attention_mask, blocks))
        twice = replace(forward, ids=both, attention_mask=mask, blocks=numbers, passes=2)
        logits_BWV = guide((yield twice), cfg_scale)
    return View.of(start, logits_BWV, at, suppress)


def write(start: Start, ids: Tensor, view: View, tokens_BW: Tensor, where_BW: Tensor, block: int = 0) -> Step:
    """The step that writes `tokens_BW` on the canvases `ids` [B, L] where `where_BW` says so, in the view's
    columns: over masks they are revealed, over other tokens edited (equal ones are left out).

    Raises: ModelError where the model's probability of a token is not a number.
    """
    before_BW = ids[:, view.at]
    masked_BW = start.masked(ids)[:, view.at]
    where_BW = where_BW & (masked_BW | (before_BW != tokens_BW))
    after = ids.clone()
    after[:, view.at] = torch.where(where_BW, tokens_BW, before_BW)
    revealed, edited = torch.zeros_like(start.given[:, : ids.shape[1]]), None
    revealed[:, view.at] = where_BW & masked_BW
    if bool((where_BW & ~masked_BW).any()):
        edited = torch.zeros_like(revealed)
        edited[:, view.at] = where_BW & ~masked_BW
    chance = torch.zeros(ids.shape, device=ids.device)
    chance[:, view.at] = torch.where(where_BW, view.chance(tokens_BW), 0.0)
    refuse_nan(chance)
    extra = details(view, masked_BW, where_BW, start.mask_id) if start.want_details else ()
    return Step(after, revealed, chance, block, edited, None, None, *extra)


def refuse_nan(probability: Tensor) -> None:
    """Raises: ModelError where a probability is none, so that no text is made of nothing."""
    if bool(probability.isnan().any()):
        raise ModelError(
            "What the model says is not a number (NaN): its weights are broken, as after a training that "
            "diverged, or too large for its number format. Take an earlier checkpoint, or float32."
        )


def ended(start: Start, ids: Tensor) -> Tensor:
    """[B] bool: rows whose text is complete: an end token stands on the canvas `ids` [B, L] with no mask
    before it, and nothing was given behind the row's first mask."""
    ends = [end for end in (start.eos_id, start.eot_id) if end is not None]
    after_first_BL = (~start.given).cumsum(1) > 0
    only_tail_B = ~(after_first_BL & start.given & ~start.padding).any(1)
    is_end_BL = torch.isin(ids, torch.tensor(ends, device=ids.device, dtype=ids.dtype)) & ~start.given
    none_before_BL = start.masked(ids).cumsum(1) == 0
    return only_tail_B & (is_end_BL & none_before_BL).any(1)


def close(start: Start, ids: Tensor, block: int) -> Step | None:
    """The step that fills the masks left on `ids` [B, L] with the end token; None: there are none."""
    open_BL = start.masked(ids)
    if not bool(open_BL.any()):
        return None
    end = start.eos_id if start.eos_id is not None else start.eot_id
    assert end is not None, "only what has ended is closed"
    none = torch.zeros_like(open_BL)
    return Step(ids.masked_fill(open_BL, end), none, none.float(), block, closed=open_BL)


def details(view: View, masked_BW: Tensor, written_BW: Tensor, mask_id: int) -> tuple[Tensor, ...]:
    """(candidate ids [R, K], their probabilities [R, K], mean entropy of the masked positions [B], entropy of
    the written ones [R])."""
    written_RV = view.probability[written_BW]  # a copy
    entropy_R = torch.special.entr(written_RV).sum(-1)
    written_RV[:, mask_id] = 0  # never written, so no candidate
    top = written_RV.topk(min(CANDIDATES, written_RV.shape[-1]))
    entropy_M = torch.special.entr(view.probability[masked_BW]).sum(-1)
    entropy_BW = torch.zeros_like(masked_BW, dtype=entropy_M.dtype)
    entropy_BW[masked_BW] = entropy_M
    return top.indices, top.values, entropy_BW.sum(1) / masked_BW.sum(1), entropy_R


def quotas(count: int, steps: int) -> list[int]:
    """How many of `count` masks each of `steps` steps reveals: evenly, the remainder first
    (ML-GSAI/LLaDA generate.py, get_num_transfer_tokens). With more steps than masks the last ones get 0."""
    base, remainder = divmod(count, steps)
    return [base + (step < remainder) for step in range(steps)]


def choose(view: View, temperature: float, draws: Draws, ids: Tensor) -> Tensor:
    """One token [B, W] a column: the likeliest, or at a temperature the Gumbel-max draw.

    argmax of exp(logit) / (-log u)^T in float64 (LLaDA generate.py, add_gumbel_noise; float32 Gumbel noise
    skews the tail, arXiv 2409.02908), taken here in logs, which cannot overflow.
    """
    if temperature == 0:
        return view.logits.argmax(-1)
    return gumbel(view, draws, ids).mul_(temperature).add_(view.logits).argmax(-1)


def gumbel(view: View, draws: Draws, ids: Tensor) -> Tensor:
    """Gumbel noise -log(-log u) in float64 [B, W, V], made in place: of a large vocabulary one copy is
    enough."""
    return draws.uniform(ids, view.at, view.logits.shape[-1]).log_().neg_().log_().neg_()


def columns(of: Tensor) -> Tensor:
    """[W] the columns in which any row of `of` [B, L] is True."""
    return of.any(0).nonzero().flatten()


def surest(confidence_BW: Tensor, open_BW: Tensor, at: Tensor, take: list[int], length: int) -> Tensor:
    """[B, W] bool: each row's `take[row]` most confident open columns.

    topk runs over whole rows of `length`, as in the published code, so that ties fall the same way.
    """
    confidence_BL = torch.full(
        (len(take), length), -torch.inf, device=confidence_BW.device, dtype=confidence_BW.dtype
    )
    confidence_BL[:, at] = torch.where(open_BW, confidence_BW, -torch.inf)
    chosen_BL = torch.zeros_like(confidence_BL, dtype=torch.bool)
    for row, count in enumerate(take):
        if count:
            chosen_BL[row, confidence_BL[row].topk(count).indices] = True
    return chosen_BL[:, at]
