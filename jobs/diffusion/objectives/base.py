"""What every training objective gives: noise for a batch, and a loss with its statistics by noise level.

Shape suffixes used in this package: B rows, L positions, V vocabulary, N masked positions of the batch
(row-major order of the mask), 8 noise levels.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from jobs.protocol.events import LEVELS

CHUNK = 2**26  # logits whose float32 copy exists at once in the cross-entropy: 256 MiB


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
    """[B] float: the time t of each row, in (0, 1]; 1 is all masked."""


@dataclass(frozen=True)
class LossResult:
    """A loss and what went into it."""

    loss: Tensor
    """Scalar with gradient."""
    level_loss: Tensor
    """[8] float: unweighted cross-entropy in nats, summed over the masked tokens of each noise level.
    Level i holds rows with t in (i/8, (i+1)/8]. Detached, so sums of several batches can be added."""
    level_count: Tensor
    """[8] float: how many masked tokens each sum has."""


class Objective(Protocol):
    """A training objective. Built from its options, without state, so one object serves all batches."""

    name: ClassVar[str]

    def crop(self, input_ids: Tensor, generator: torch.Generator | None) -> int:
        """How many of the L positions of a batch of plain text to keep; L for most objectives."""
        ...

    def noise(
        self, input_ids: Tensor, maskable: Tensor, mask_id: int, generator: torch.Generator | None
    ) -> Noised:
        """Draw a time for each row and mask some of the `maskable` [B, L] positions of `input_ids` [B, L]."""
        ...

    def loss(
        self,
        logits_masked: Tensor,
        targets: Tensor,
        noised: Noised,
        maskable: Tensor,
        prompt_lengths: Tensor | None = None,
    ) -> LossResult:
        """The loss from the logits [N, V] and the clean tokens [N] at the masked positions.

        `prompt_lengths` [B] is given for conversations, None for plain text.
        """
        ...


def draw(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Uniform float32 numbers in [0, 1) on `like`'s device, drawn where the generator lives."""
    source = generator.device if generator is not None else like.device
    return torch.rand(shape, generator=generator, device=source).to(like.device)


def token_losses(logits: Tensor, targets: Tensor, chunk: int = CHUNK) -> Tensor:
    """Cross-entropy [N] in float32 nats of logits [N, V] against targets [N].

    More than `chunk` numbers go through in parts of rows, each computed again in the backward pass: else the
    float32 log-probabilities of all rows would be kept until then.
    """
    if logits.numel() <= chunk:
        return _cross_entropy(logits, targets)
    rows = max(1, chunk // logits.shape[-1])
    parts = zip(logits.split(rows), targets.split(rows), strict=True)
    return torch.cat([checkpoint(_cross_entropy, *part, use_reentrant=False) for part in parts])


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.float(), targets, reduction="none")


def result(loss: Tensor, losses: Tensor, noised: Noised) -> LossResult:
    """`loss` together with the sums of the token losses [N] by noise level."""
    time_N = noised.time[:, None].expand_as(noised.masked)[noised.masked]
    level_N = ((time_N * LEVELS).ceil().long() - 1).clamp(0, LEVELS - 1)
    sums = torch.zeros(LEVELS, device=losses.device)
    counts = torch.zeros(LEVELS, device=losses.device)
    sums.index_add_(0, level_N, losses.detach())
    counts.index_add_(0, level_N, torch.ones_like(losses))
    return LossResult(loss, sums, counts)


def masked_logits(
    model: torch.nn.Module,
    noised: Noised,
    shifted: bool,
    attention_mask: Tensor | None = None,
) -> Tensor:
    """The model's logits [N, V] for the masked positions only, in row-major order of `noised.masked`.

    In a shifted model the output at i - 1 speaks for token i, so the mask of wanted outputs moves one to the
    left. The full [B, L, V] never exists: `logits_to_keep` takes the boolean mask.
    Raises: ValueError if a shifted model has position 0 masked, which no output speaks for.
    """
    wanted = noised.masked
    if shifted:
        if bool(wanted[:, 0].any()):
            raise ValueError("position 0 of a shifted model cannot be trained: it must not be masked")
        wanted = F.pad(wanted[:, 1:], (0, 1))
    extra = {} if attention_mask is None else {"attention_mask": attention_mask}
    return model(input_ids=noised.noised_ids, logits_to_keep=wanted, use_cache=False, **extra).logits


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
    generator: torch.Generator | None = None,
) -> LossResult:
    """One batch through the objective: crop, noise, forward, loss.

    input_ids [B, L] ids; maskable [B, L] bool; prompt_lengths [B] for conversations, None for plain text;
    attention_mask [B, L] is 0 at padding on the right that must not be seen. None where padding is
    end-of-text tokens that the model sees and learns, as in LLaDA and dllm.
    The same seed of `generator` gives the same noise. A batch without a masked token has loss 0.
    """
    # 1. Some objectives cut some batches of plain text to a random length.
    keep = objective.crop(input_ids, generator) if prompt_lengths is None else input_ids.shape[1]
    input_ids, maskable = input_ids[:, :keep], maskable[:, :keep]
    if attention_mask is not None:
        attention_mask = attention_mask[:, :keep]
    # 2. Nothing speaks for the first token of a shifted model.
    if shifted:
        maskable = maskable.clone()
        maskable[:, 0] = False
    # 3. Forward process, then the model at the masked positions, then the loss.
    noised = objective.noise(input_ids, maskable, mask_id, generator)
    logits_NV = masked_logits(model, noised, shifted, attention_mask)
    return objective.loss(logits_NV, input_ids[noised.masked], noised, maskable, prompt_lengths)
