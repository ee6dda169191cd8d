"""Loss at the masked positions, without the logits of all of them at once.

Logits are the largest thing in a batch: 4 x 1024 tokens and 150 000 words are 2.5 GB in float32, and the
public losses hold three to five such tensors. Here the rows of the masked positions pass the vocabulary
matrix in chunks, inside the model's own call, so that wrappers (autocast, DDP, LoRA) see nothing unusual.

The weight of every token's cross-entropy is known before the model is called, so the gradient is formed at
once, chunk by chunk, in the forward pass (as in linkedin/Liger-Kernel, fused_linear_cross_entropy): nothing
is computed twice.

Shapes: B rows, S positions that the model sees, N masked ones, H hidden size, V vocabulary.
"""

import inspect
import math
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

CHUNK = 2**26  # logits that exist at once: 256 MiB in float32

_TREATS_LOGITS: "weakref.WeakSet[nn.Module]" = weakref.WeakSet()  # heads whose model changes their output


def masked_loss(
    model: nn.Module,
    inputs: dict[str, Any],
    wanted: Tensor,
    targets: Tensor,
    weights: Tensor,
    confidence_beta: float = 0.0,
    score_entropy: bool = False,
) -> tuple[Tensor, Tensor]:
    """(loss, losses): sum of weights x cross-entropy over the N wanted outputs of `model(**inputs)`.

    wanted [B, S] bool; targets [N], weights [N] in row-major order of `wanted`. `losses` [N] are the
    unweighted cross-entropies in nats, float32, detached. `confidence_beta` adds so much times the mean
    entropy of those outputs whose most likely token is the right one. `score_entropy` adds to each
    cross-entropy what keeps logits normalised that are read as log scores (jobs.diffusion.objectives.sedd).
    """
    head = _plain_head(model)
    if head is not None:
        found = _inside_the_head(
            model, head, inputs, wanted, targets, weights, confidence_beta, score_entropy
        )
        if found is not None:
            return found
    logits_NV = wanted_logits(model, inputs, wanted)
    return _scored(lambda rows: rows, logits_NV, targets, weights, confidence_beta, score_entropy)


def wanted_logits(model: nn.Module, inputs: dict[str, Any], wanted: Tensor) -> Tensor:
    """The logits [N, V] of the wanted outputs [B, S] bool, for heads of any kind."""
    if takes(model, "logits_to_keep"):
        return model(**inputs, logits_to_keep=wanted).logits
    return model(**inputs).logits[wanted]


@torch.no_grad()
def likeliest(model: nn.Module, inputs: dict[str, Any], wanted: Tensor) -> Tensor:
    """The most likely token [N] of each wanted output [B, S] bool, without all their logits at once."""
    head = _plain_head(model)
    if head is None:
        return wanted_logits(model, inputs, wanted).argmax(-1)
    given = {**inputs, "logits_to_keep": wanted} if takes(model, "logits_to_keep") else inputs
    held: list[Tensor] = []

    def forward(hidden: Tensor) -> Tensor:
        rows_NH = hidden if hidden.dim() == 2 else hidden[wanted]
        bias = getattr(head, "bias_used", head.bias)
        parts = rows_NH.split(max(1, CHUNK // head.weight.shape[0]))
        held.append(torch.cat([F.linear(part, head.weight, bias).argmax(-1) for part in parts]))
        return rows_NH.new_zeros(1, 1)  # a soft cap on it changes no order

    with _replaced(head, forward):
        model(**given)
    return held[-1]


def takes(model: nn.Module, argument: str) -> bool:
    """Whether the model's forward has this argument. Most stock classes have `logits_to_keep`."""
    return argument in inspect.signature(unwrapped(model).forward).parameters


def unwrapped(model: nn.Module) -> nn.Module:
    """The stock model inside data-parallel and LoRA wrappers."""
    while isinstance(inner := getattr(model, "module", None), nn.Module):
        model = inner
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _plain_head(model: nn.Module) -> nn.Linear | None:
    """The vocabulary matrix, if it is one and nobody else has a hand in it."""
    stock = unwrapped(model)
    head = stock.get_output_embeddings() if hasattr(stock, "get_output_embeddings") else None
    plain = type(head) is nn.Linear or hasattr(head, "bias_used")  # jobs.models.dit.Head
    if not plain or head in _TREATS_LOGITS:
        return None
    # Not with somebody else's forward (offloading), nor with weights split over ranks (ZeRO stage 3 gathers
    # them again only through the head's own output).
    return None if "forward" in vars(head) or hasattr(head.weight, "ds_id") else head


def _inside_the_head(
    model: nn.Module,
    head: nn.Linear,
    inputs: dict[str, Any],
    wanted: Tensor,
    targets: Tensor,
    weights: Tensor,
    confidence_beta: float,
    score_entropy: bool,
) -> tuple[Tensor, Tensor] | None:
    """The loss, computed where the model calls its head. None if the model treats the logits further, in a
    way that we do not know; that is found out once for each model."""
    stock = unwrapped(model)
    cap = getattr(getattr(stock, "config", None), "final_logit_softcapping", None)
    given = {**inputs, "logits_to_keep": wanted} if takes(model, "logits_to_keep") else inputs
    held: list[tuple[Tensor, Tensor, Tensor]] = []  # (stand-in for logits, loss, losses)

    def forward(hidden: Tensor) -> Tensor:
        rows_NH = hidden if hidden.dim() == 2 else hidden[wanted]
        loss, losses_N = _linear_loss(rows_NH, head, targets, weights, cap, confidence_beta, score_entropy)
        held.append((loss.reshape(1, 1).clone(), loss, losses_N))
        return held[-1][0]

    with _replaced(head, forward):
        returned = model(**given).logits
    stand_in, loss, losses_N = held[-1]
    if cap is None and returned is not stand_in:
        _TREATS_LOGITS.add(head)
        return None
    # Backward must pass what the model returned, where wrappers (FSDP2) have their hooks.
    return (loss if cap is not None else returned.reshape(())), losses_N


@contextmanager
def _replaced(head: nn.Module, forward: Callable[[Tensor], Tensor]) -> Iterator[None]:
    head.forward = forward
    try:
        yield
    finally:
        del head.forward


def _linear_loss(
    hidden: Tensor,
    head: nn.Linear,
    targets: Tensor,
    weights: Tensor,
    cap: float | None,
    confidence_beta: float,
    score_entropy: bool,
) -> tuple[Tensor, Tensor]:
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
    weight, bias = head.weight, getattr(head, "bias_used", head.bias)
    with torch.autocast(kind, enabled=False):
        if confidence_beta or score_entropy:

            def project(rows: Tensor) -> Tensor:
                return _capped(
                    F.linear(rows, weight.to(dtype), None if bias is None else bias.to(dtype)), cap
                )

            extra = (confidence_beta, score_entropy)
            return _scored(project, hidden.to(dtype), targets, weights, *extra, weight.shape[0])
        return weighted_cross_entropy(hidden.to(dtype), weight, bias, targets, weights, cap)


def _capped(logits: Tensor, cap: float | None) -> Tensor:
    """Gemma 2's soft cap: cap x tanh(logits / cap)."""
    return logits if cap is None else cap * torch.tanh(logits / cap)


def weighted_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    weights: Tensor,
    cap: float | None = None,
    chunk: int | None = None,
) -> tuple[Tensor, Tensor]:
    """(sum of weights x cross-entropy, cross-entropies [N]) of hidden [N, H] through weight [V, H].

    No more than `chunk` logits (None: CHUNK) exist at once, in either direction. Products are taken in the
    type of `hidden`, the cross-entropy in float32.
    """
    return _WeightedCrossEntropy.apply(
        hidden, weight, bias, targets, weights.float(), cap, chunk or CHUNK, torch.is_grad_enabled()
    )


class _WeightedCrossEntropy(torch.autograd.Function):
    """The gradients are ready after the forward pass; backward scales them."""

    @staticmethod
    def forward(ctx, hidden, weight, bias, targets, weights, cap, chunk, train):
        rows = max(1, chunk // weight.shape[0])
        used, used_bias = weight.to(hidden.dtype), None if bias is None else bias.to(hidden.dtype)
        wants = [train and needed for needed in ctx.needs_input_grad[:3]]
        grads = [
            torch.zeros_like(t) if w else None for t, w in zip((hidden, weight, bias), wants, strict=True)
        ]
        losses = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(targets), rows):
            part = slice(start, start + rows)
            # 1. Logits and log-probabilities of these rows, in float32.
            logits = _capped(F.linear(hidden[part], used, used_bias).float(), cap)
            slope = None if cap is None else 1 - (logits / cap).square()
            logp = logits.log_softmax(-1)
            del logits
            losses[part] = -logp.gather(1, targets[part, None])[:, 0]
            if not any(wants):
                continue
            # 2. d cross-entropy / d logits = softmax - one-hot, in the place of the log-probabilities.
            error = logp.exp_()
            error.scatter_add_(1, targets[part, None], error.new_full((len(error), 1), -1.0))
            if slope is not None:
                error.mul_(slope)
            _accumulate(grads, part, error.to(hidden.dtype), hidden[part], used, weights[part, None])
        ctx.grads = grads
        ctx.mark_non_differentiable(losses)
        return (losses * weights).sum(), losses

    @staticmethod
    def backward(ctx, grad, _):
        # They are given away, not copied: a second vocabulary-sized tensor costs time and memory.
        grads, ctx.grads = ctx.grads, None
        if grads is None:
            raise RuntimeError("the loss inside the head keeps nothing for a second backward pass")
        known_to_be_one = grad.is_cpu and grad.item() == 1  # on a GPU, asking would wait for it
        for gradient in [] if known_to_be_one else grads:
            if gradient is not None:
                gradient.mul_(grad)
        return *grads, None, None, None, None, None


def _accumulate(
    grads: list[Tensor | None], part: slice, error: Tensor, hidden: Tensor, weight: Tensor, weights: Tensor
) -> None:
    """Add one chunk to the gradients of hidden, weight and bias. The tokens' weights are multiplied into the
    narrow side of each product."""
    for_hidden, for_weight, for_bias = grads
    if for_hidden is not None:
        for_hidden[part] = (error @ weight) * weights.to(hidden.dtype)
    if for_weight is not None:
        scaled = hidden * weights.to(hidden.dtype)
        if for_weight.dtype == error.dtype:
            for_weight.addmm_(error.T, scaled)
        else:
            for_weight += error.T @ scaled
    if for_bias is not None:
        for_bias += (error.float() * weights).sum(0)


def _scored(
    project: Callable[[Tensor], Tensor],
    inputs: Tensor,
    targets: Tensor,
    weights: Tensor,
    confidence_beta: float,
    score_entropy: bool,
    vocabulary: int | None = None,
) -> tuple[Tensor, Tensor]:
    """(loss, losses) of `project(inputs [N, .])` = logits, in chunks that are computed again in the backward
    pass. The slower way, for heads of any kind and for the terms beside the cross-entropy."""

    def score(rows: Tensor, truth: Tensor) -> tuple[Tensor, ...]:
        logits = project(rows).float()
        logp = logits.log_softmax(-1)
        losses = F.nll_loss(logp, truth, reduction="none")
        trained, idle = losses, losses.detach()
        if score_entropy:  # u of objectives.sedd; the words are all tokens but the mask
            partition = logits.logsumexp(-1) - math.log(logits.shape[-1] - 1)
            trained = losses + partition.expm1() - partition
        if not confidence_beta:
            return trained, idle, idle, idle
        return trained, idle, -(logp.exp() * logp).sum(-1), logp.argmax(-1) == truth

    rows = max(1, CHUNK // (vocabulary or inputs.shape[-1]))
    parts = zip(inputs.split(rows), targets.split(rows), strict=True)
    scores = [checkpoint(score, *part, use_reentrant=False) for part in parts]
    trained_N, losses_N, entropy_N, right_N = (torch.cat(column) for column in zip(*scores, strict=True))
    loss = (trained_N * weights).sum()
    if confidence_beta:
        right = right_N.to(entropy_N.dtype)
        loss = loss + confidence_beta * (entropy_N * right).sum() / right.sum().clamp(min=1)
    return loss, losses_N
