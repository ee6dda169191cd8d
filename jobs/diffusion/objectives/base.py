"""What every training objective is: noise for a batch, what the model sees of it, and a weight a token.

The loss is always the sum over the masked tokens of weight x cross-entropy, so an objective is its forward
process and its weights; the vocabulary matrix and the sum are the same for all (jobs.diffusion.masked_head).
Two terms may come beside the cross-entropy: `confidence_beta` and SEDD's `score_entropy`.

Shape suffixes used in this package: B rows, L positions, S positions that the model sees (L, or 2 L where it
reads the clean text beside the noised), V vocabulary, N masked positions of the batch (row-major order of the
mask), 8 noise levels.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from jobs.diffusion import attention
from jobs.diffusion.attention import Pattern
from jobs.diffusion.draws import Draws, RowDraws
from jobs.diffusion.masked_head import masked_loss, takes, wanted_logits
from jobs.protocol.events import LEVELS


@dataclass(frozen=True)
class Batch:
    """Clean sequences of one length."""

    input_ids: Tensor
    """[B, L] ids."""
    maskable: Tensor
    """[B, L] bool: may be masked and trained."""
    prompt_lengths: Tensor | None = None
    """[B] for conversations, None for plain text."""
    attention_mask: Tensor | None = None
    """[B, L], 0 at padding that must not be seen. None: nothing is hidden."""
    extra: dict[str, Tensor] | None = None
    """Other inputs of the model, handed through as they are: the pictures of a vision model."""
    documents: Tensor | None = None
    """[B, L] the number of each position's text in its packed sequence. None: texts see each other."""
    items: Tensor | None = None
    """Scalar: what the loss is divided by, the mean over all batches of a step. None: the batch's own."""


@dataclass(frozen=True)
class Noised:
    """A batch after the forward process."""

    noised_ids: Tensor
    """[B, L] ids with the mask token where `masked`."""
    masked: Tensor
    """[B, L] bool: replaced in this draw."""
    p_mask: Tensor
    """[B, L] float: the probability with which each position was masked."""
    time: Tensor
    """[B, L] float: the time t of each position, in (0, 1]; 1 is all masked. Most objectives have one time a
    row, block diffusion one a block."""


@dataclass(frozen=True)
class View:
    """What the model sees of a noised batch."""

    input_ids: Tensor
    """[B, S]; the noised text is its first L positions."""
    pattern: Pattern
    position_ids: Tensor | None = None
    """[1 or B, S], where they are not just counted."""
    sigma: Tensor | None = None
    """[B] the noise level, for models that are conditioned on it."""


@dataclass(frozen=True)
class LossResult:
    """A loss and what went into it."""

    loss: Tensor
    """Scalar with gradient."""
    level_loss: Tensor
    """[8] float: unweighted cross-entropy in nats, summed over the masked tokens of each noise level.
    Level i holds tokens with t in (i/8, (i+1)/8]. Detached, so sums of several batches can be added."""
    level_count: Tensor
    """[8] float: how many masked tokens each sum has."""


class Objective:
    """A training objective. Built from its options, without state, so one object serves all batches.

    `noise` and `weights` are what makes an objective; the rest is what most of them share.
    """

    name: ClassVar[str]
    block_size: int | None = None
    """Block of a block-diffusion objective, None for full attention. The checkpoint keeps it."""
    own_pattern: bool = False
    """True: attends by a pattern of its own, which flash attention cannot do."""
    causal: bool = False
    """True: trains a causal model, which keeps its causal mask and becomes no dLLM."""
    score_entropy: bool = False
    """True: the logits are trained as log scores, whose sum counts (SEDD)."""

    def __init__(self, options: Any):
        self.options = options

    def crop(self, input_ids: Tensor, generator: Draws) -> int:
        """How many of the L positions of a batch of plain text to keep: a share of `random_length_ratio` of
        the batches is cut to a length drawn from 1..L (LLaDA GUIDELINES.md). In training all batches of a
        step are cut alike, so that no process waits for another."""
        length = input_ids.shape[1]
        ratio = self.options.random_length_ratio
        if ratio == 0 or draw_once((1,), input_ids, generator).item() >= ratio:
            return length
        return 1 + int(draw_once((1,), input_ids, generator).item() * length)

    def norm(self, batch: Batch) -> str:
        """What the sum is divided by: a name of `items`."""
        return self.options.loss_norm_type

    def noise(self, input_ids: Tensor, maskable: Tensor, mask_id: int, generator: Draws) -> Noised:
        """Draw times and mask some of the `maskable` [B, L] positions of `input_ids` [B, L]."""
        raise NotImplementedError

    def view(self, noised: Noised, batch: Batch, step: int | None = None, generator: Draws = None) -> View:
        """What the model sees: the noised text with full attention. `step` counts from 0 while training and
        is None afterwards, for objectives that change on the way."""
        return View(noised.noised_ids, attention.full(noised.masked.shape[1], batch.attention_mask))

    def weights(self, noised: Noised, batch: Batch) -> Tensor:
        """[N] float: what each masked token's cross-entropy is multiplied with before they are added up."""
        raise NotImplementedError


def draw(shape: tuple[int, ...], like: Tensor, generator: Draws) -> Tensor:
    """Uniform float32 numbers [B, ...] in [0, 1) on `like`'s device, drawn where the generator lives."""
    if isinstance(generator, RowDraws):
        return generator.rows(shape).to(like.device)
    return _uniform(shape, like, generator)


def draw_once(shape: tuple[int, ...], like: Tensor, generator: Draws) -> Tensor:
    """As `draw`, of a shape that says nothing of rows: the numbers are the batch's, or the step's."""
    if isinstance(generator, RowDraws):
        return generator.shared(shape).to(like.device)
    return _uniform(shape, like, generator)


def _uniform(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    source = generator.device if generator is not None else like.device
    return torch.rand(shape, generator=generator, device=source).to(like.device)


def draw_spread(shape: tuple[int, ...], like: Tensor, generator: Draws, antithetic: bool) -> Tensor:
    """As `draw`; antithetic: number i of n falls into its own n-th of the unit interval, wrapped (Kingma et
    al. 2021, arXiv 2107.00630, I.1; mdlm diffusion.py, _sample_t). That evens out the noise levels of a
    batch; in training, of all rows of a step."""
    uniform = draw(shape, like, generator)
    if not antithetic:
        return uniform
    first, rows = 0, shape[0]
    if isinstance(generator, RowDraws):
        first, rows = generator.first, generator.total
    each = uniform.numel() // max(shape[0], 1)
    places = first * each + torch.arange(uniform.numel(), device=like.device).reshape(shape)
    return (uniform + places) / max(rows * each, 1) % 1


def mask_by_chance(
    input_ids: Tensor,
    maskable: Tensor,
    mask_id: int,
    p_mask: Tensor,
    time: Tensor,
    generator: Draws,
) -> Noised:
    """Mask each maskable position on its own with probability `p_mask`.

    p_mask and time: [B, L], or [B, 1] for one a row.
    """
    p_BL, time_BL = p_mask.expand_as(input_ids), time.expand_as(input_ids)
    masked_BL = (draw(tuple(input_ids.shape), input_ids, generator) < p_BL) & maskable
    return Noised(input_ids.masked_fill(masked_BL, mask_id), masked_BL, p_BL, time_BL)


def items(kind: str, noised: Noised, maskable: Tensor) -> Tensor:
    """Scalar float: what a batch's loss is divided by. token: its maskable tokens; sequence and batch: its
    rows (these are dLLM's); masked: its masked tokens (DiffuLLaMA's, dFactory's)."""
    if kind == "token":
        return maskable.sum().float()
    if kind == "masked":
        return noised.masked.sum().float()
    return torch.tensor(float(len(maskable)), device=maskable.device)


def shares(kind: str, noised: Noised, batch: Batch) -> Tensor:
    """[N] float: one over what each masked token's loss is divided by: the `items` of the batch, or where
    the batch is a part of a step, of the step; for `sequence` also the maskable tokens of the row."""
    rows, length = batch.maskable.shape
    count = items(kind, noised, batch.maskable) if batch.items is None else batch.items
    divisor_B = torch.where(count > 0, count, 1.0).expand(rows)
    if kind == "sequence":
        divisor_B = divisor_B * batch.maskable.sum(1).clamp(min=1)
    return (1.0 / divisor_B)[:, None].expand(rows, length)[noised.masked]


def by_level(losses: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """(sums [8], counts [8]) of the token losses [N] by noise level, from their times [N]."""
    level_N = ((times * LEVELS).ceil().long() - 1).clamp(0, LEVELS - 1)
    sums = torch.zeros(LEVELS, device=losses.device)
    counts = torch.zeros(LEVELS, device=losses.device)
    sums.index_add_(0, level_N, losses.detach())
    counts.index_add_(0, level_N, torch.ones_like(losses))
    return sums, counts


def wanted_outputs(masked: Tensor, shifted: bool, seen: int | None = None) -> Tensor:
    """[B, S] bool: the outputs that speak for the masked positions [B, L]; `seen` is S, if that is not L.

    In a shifted model the output at i - 1 speaks for token i, so the mask moves one to the left.
    Raises: ValueError if a shifted model has position 0 masked, which no output speaks for.
    """
    length = masked.shape[1]
    if shifted:
        if bool(masked[:, 0].any()):
            raise ValueError("position 0 of a shifted model cannot be trained: it must not be masked")
        masked = F.pad(masked[:, 1:], (0, 1))
    return masked if seen in (None, length) else F.pad(masked, (0, seen - length))


def seen(
    objective: Objective, noised: Noised, batch: Batch, step: int | None = None, generator: Draws = None
) -> View:
    """The objective's view, within each text where texts of a packed sequence are kept apart: positions then
    start again with each, and the outputs are those of the texts alone.

    Not for objectives with blocks, which are counted through a sequence (refused where data are read).
    """
    view = objective.view(noised, batch, step, generator)
    if batch.documents is None:
        return view
    pattern = attention.within_documents(view.pattern, batch.documents, objective.causal)
    return replace(view, pattern=pattern, position_ids=positions_within(batch.documents))


def positions_within(documents: Tensor) -> Tensor:
    """[B, L]: 0, 1, 2 ... from the beginning of each text on. documents [B, L] never falls along a row."""
    at = torch.arange(documents.shape[1], device=documents.device).expand_as(documents)
    begins = F.pad(documents[:, 1:] != documents[:, :-1], (1, 0))
    return at - torch.where(begins, at, 0).cummax(1).values


def model_inputs(
    model: torch.nn.Module, view: View, extra: dict[str, Tensor] | None = None
) -> dict[str, Any]:
    """A view as the arguments of a stock transformers model."""
    inputs: dict[str, Any] = {"input_ids": view.input_ids, "use_cache": False, **(extra or {})}
    mask = attention.form(view.pattern, model)
    if mask is not None:
        inputs["attention_mask"] = mask
    if view.position_ids is not None:
        inputs["position_ids"] = view.position_ids
    if view.sigma is not None and takes(model, "sigma"):
        inputs["sigma"] = view.sigma
    return inputs


def masked_logits(
    model: torch.nn.Module, noised: Noised, shifted: bool, attention_mask: Tensor | None = None
) -> Tensor:
    """The model's logits [N, V] for the masked positions only, under full attention."""
    view = View(noised.noised_ids, attention.full(noised.masked.shape[1], attention_mask))
    return wanted_logits(model, model_inputs(model, view), wanted_outputs(noised.masked, shifted))


def loss_of_noised(
    objective: Objective,
    model: torch.nn.Module,
    noised: Noised,
    view: View,
    batch: Batch,
    shifted: bool = False,
    part: slice | None = None,
) -> LossResult:
    """The loss of a batch whose noise is drawn.

    `part`: the positions that this process computes, where several share a text (full attention only); its
    share of the sum is returned.
    """
    inputs = model_inputs(model, view, batch.extra)
    wanted = wanted_outputs(noised.masked, shifted, view.input_ids.shape[1])
    mine_N = slice(None)
    if part is not None:
        at = torch.arange(wanted.shape[1], device=wanted.device)
        mine_N = ((at >= part.start) & (at < part.stop)).expand_as(wanted)[wanted]
        inputs |= {"input_ids": view.input_ids[:, part], "position_ids": at[None, part]}
        wanted = wanted[:, part]
    loss, losses_N = masked_loss(
        model,
        inputs,
        wanted,
        batch.input_ids[noised.masked][mine_N],
        objective.weights(noised, batch)[mine_N],
        getattr(objective.options, "confidence_beta", 0.0),
        objective.score_entropy,
    )
    return LossResult(loss, *by_level(losses_N, noised.time[noised.masked][mine_N]))


def training_loss(
    objective: Objective,
    model: torch.nn.Module,
    input_ids: Tensor,
    maskable: Tensor,
    *,
    mask_id: int,
    shifted: bool = False,
    prompt_lengths: Tensor | None = None,
    attention_mask: Tensor | None = None,
    extra: dict[str, Tensor] | None = None,
    documents: Tensor | None = None,
    items: Tensor | None = None,
    part: slice | None = None,
    generator: Draws = None,
    step: int | None = None,
) -> LossResult:
    """One batch through the objective: crop, noise, forward, loss.

    input_ids [B, L] ids; maskable [B, L] bool; prompt_lengths [B] for conversations, None for plain text;
    attention_mask [B, L] is 0 at padding on the right that must not be seen. None where padding is
    end-of-text tokens that the model sees and learns, as in LLaDA and dllm. `extra` are other inputs of the
    model (pictures), for objectives without a pattern of their own. `documents`, `items`: see Batch. `part`:
    see loss_of_noised. `step` is the number of optimizer steps done, None outside training.
    The same seed of `generator` gives the same noise. A batch without a masked token has loss 0.
    """
    batch = Batch(input_ids, maskable, prompt_lengths, attention_mask, extra, documents, items)
    batch, noised = corrupted(objective, batch, mask_id, shifted, generator)
    view = seen(objective, noised, batch, step, generator)
    return loss_of_noised(objective, model, noised, view, batch, shifted, part)


def corrupted(
    objective: Objective, batch: Batch, mask_id: int, shifted: bool, generator: Draws
) -> tuple[Batch, Noised]:
    """What is left of a batch, and the forward process on it: all that needs no model."""
    # 1. Some objectives cut some batches of plain text to a random length.
    if batch.prompt_lengths is None:
        batch = _cut(batch, objective.crop(batch.input_ids, generator))
    # 2. Nothing speaks for the first token of a shifted model.
    if shifted:
        batch = replace(batch, maskable=F.pad(batch.maskable[:, 1:], (1, 0)))
    # 3. The forward process.
    return batch, objective.noise(batch.input_ids, batch.maskable, mask_id, generator)


def _cut(batch: Batch, length: int) -> Batch:
    padding = batch.attention_mask
    return replace(
        batch,
        input_ids=batch.input_ids[:, :length],
        maskable=batch.maskable[:, :length],
        attention_mask=None if padding is None else padding[:, :length],
        documents=None if batch.documents is None else batch.documents[:, :length],
    )
