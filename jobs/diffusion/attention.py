"""Who may look at whom, and that said in the form that each attention implementation takes.

A pattern is a rule on positions; `form` turns it into what the model is given:

    implementation     full attention                     any other pattern
    sdpa               none, or the [B, S] padding mask   boolean [., 1, S, S], True is attended
    eager              the same                           additive [., 1, S, S], 0 or the type's lowest number
    flex_attention     the same                           BlockMask (no dense mask is ever built)
    flash_attention_*  the same                           refused: these kernels take no such mask

A boolean mask in eager attention is silently wrong (it is added as 0 and 1); a dense mask under flex on a CPU
ends the process. Both are impossible from here.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

from jobs.protocol.errors import ModelError

LONGEST_DENSE = 1024  # positions of a text; block diffusion's mask has twice as many each way

Rule = Callable[[Tensor, Tensor], Tensor]
"""(query positions, key positions), broadcast against each other -> bool: the query sees the key."""


@dataclass(frozen=True)
class Pattern:
    """An attention pattern of `length` positions, the same for all heads."""

    length: int
    """S: positions that the model is given."""
    rule: Rule | None = None
    """None: everybody sees everybody."""
    padding: Tensor | None = None
    """[B, S], 0 at positions that nobody but themselves may see. None: there are none."""
    documents: Tensor | None = None
    """[B, S], a number for each text of a sequence: those of one see each other. None: they all do."""

    @property
    def is_full(self) -> bool:
        """Whether everybody sees everybody but padding."""
        return self.rule is None and self.documents is None

    def row(self, number: int) -> "Pattern":
        """The pattern of one row alone."""
        one = slice(number, number + 1)
        padding = None if self.padding is None else self.padding[one]
        return replace(
            self, padding=padding, documents=None if self.documents is None else self.documents[one]
        )

    def dense(self, device: torch.device | str = "cpu") -> Tensor:
        """The pattern as a boolean mask [B or 1, 1, S, S], True where attended.

        A padding position sees itself: a row without any key would be NaN in some implementations.
        """
        at = torch.arange(self.length, device=device)
        query, key = at[:, None], at[None, :]
        keep = torch.ones(self.length, self.length, dtype=torch.bool, device=device)
        if self.rule is not None:
            keep = self.rule(query, key)
        keep = keep[None, None]
        if self.documents is not None:
            of = self.documents.to(device)
            keep = keep & (of[:, None, :, None] == of[:, None, None, :])
        if self.padding is not None:
            keep = keep & self.padding.bool().to(device)[:, None, None, :] | (query == key)
        return keep


def full(length: int, padding: Tensor | None = None) -> Pattern:
    """Everybody sees everybody, except padding."""
    return Pattern(length, None, _unless_all(padding))


def annealed(length: int, share: float, draws: Tensor, padding: Tensor | None = None) -> Pattern:
    """Between causal and full: the past is open, each edge to the future where its draw is below `share`.

    draws: [S, S] uniform numbers in [0, 1), one matrix for the whole batch (Gong et al. 2024, arXiv
    2410.17891, section 3.2; HKUNLP/DiffuLLaMA attention_patch.py, get_anneal_attn_mask).
    """
    at = torch.arange(length, device=draws.device)
    edges = (at[:, None] >= at[None, :]) | (draws < share)
    return Pattern(length, lambda query, key: edges.to(query.device)[query, key], _unless_all(padding))


def within_documents(pattern: Pattern, documents: Tensor, causal: bool = False) -> Pattern:
    """The pattern within each text of a packed sequence; documents [B, S]. `causal`: each sees those before
    it, for models whose own causal mask gives way to this one."""
    return replace(pattern, documents=documents, rule=_causal if causal else pattern.rule)


def _causal(query: Tensor, key: Tensor) -> Tensor:
    return query >= key


def block_causal(length: int, block_size: int, padding: Tensor | None = None) -> Pattern:
    """Each block of `block_size` positions sees itself and all blocks before it. The last may be short."""
    return Pattern(length, _block_causal_rule(block_size), _unless_all(padding))


def block_diffusion(length: int, block_size: int, padding: Tensor | None = None) -> Pattern:
    """For [x_t ; x_0], 2 x `length` positions: noised blocks see themselves and the clean blocks before them;
    clean blocks are block-causal (Arriola et al. 2025, arXiv 2503.09573, section 3.1 and appendix B.6).

    padding: [B, length] of either half.
    """
    padding = _unless_all(padding)
    doubled = None if padding is None else torch.cat([padding, padding], 1)
    return Pattern(2 * length, _block_diffusion_rule(length, block_size), doubled)


@functools.lru_cache(maxsize=64)  # equal patterns have the same rule, so that their forms can be kept
def _block_causal_rule(size: int) -> Rule:
    return lambda query, key: query // size >= key // size


@functools.lru_cache(maxsize=64)
def _block_diffusion_rule(length: int, size: int) -> Rule:
    def rule(query: Tensor, key: Tensor) -> Tensor:
        clean_q, clean_k = query >= length, key >= length
        block_q, block_k = (query % length) // size, (key % length) // size
        own = (clean_q == clean_k) & (block_q == block_k)
        earlier = clean_k & (block_q > block_k)  # read by noised and by clean positions
        return own | earlier

    return rule


def _unless_all(padding: Tensor | None) -> Tensor | None:
    return None if padding is None or bool(padding.all()) else padding


def form(pattern: Pattern, model: torch.nn.Module) -> Tensor | BlockMask | None:
    """What to give `model` as attention_mask.

    Raises: ModelError where the model's attention implementation cannot do the pattern.
    """
    parameter = next(model.parameters())
    return form_for(pattern, implementation_of(model), parameter.dtype, parameter.device)


def implementation_of(model: torch.nn.Module) -> str:
    """The name of the model's attention implementation, as transformers has it; eager where it has none."""
    return getattr(getattr(model, "config", None), "_attn_implementation", None) or "eager"


def form_for(
    pattern: Pattern, implementation: str, dtype: torch.dtype, device: torch.device
) -> Tensor | BlockMask | None:
    """`form` for an implementation by name. dtype: of the scores that an additive mask is added to."""
    # 1. Full attention: transformers turns the padding mask into every implementation's form.
    if pattern.is_full:
        return pattern.padding
    # 2. Flex takes the rule itself.
    if implementation == "flex_attention":
        if device.type == "cpu" and torch.is_grad_enabled():
            raise ModelError("Flex attention cannot be trained on a CPU: load the model with sdpa attention.")
        return _block_mask(pattern, device)
    # 3. Kernels that know causal and full only.
    if implementation.startswith("flash_attention"):
        raise _no_pattern(implementation)
    # 4. The rest takes a dense mask.
    return _dense_form(pattern.dense(device), implementation, dtype)


def blocks_mask(
    model: torch.nn.Module, blocks: Tensor, fed: slice, padding: Tensor | None, rows: int
) -> Tensor | BlockMask | None:
    """Block-causal attention for the columns `fed` of canvases whose positions are numbered by blocks
    [B or 1, L]: each sees its own block and those before it, of the columns up to `fed.stop`.

    padding: [B, fed.stop], 0 at positions that nobody but themselves may see. None where everybody sees
    everybody, as when one block is fed after its clean prefix: then any kernel does.
    `rows` B, where one numbering stands for all rows.
    Raises: ModelError where the model's attention implementation cannot do it.
    """
    # 1. Who sees whom.
    query, key = blocks[:, fed, None], blocks[:, None, : fed.stop]
    if padding is None and bool(query.min() >= key.max()):
        return None
    keep = query >= key
    if padding is not None:
        at = torch.arange(fed.stop, device=blocks.device)
        keep = keep & padding.bool()[:, None] | (at[fed, None] == at)
    keep = keep[:, None]
    # 2. In the form that the implementation knows.
    implementation, parameter = implementation_of(model), next(model.parameters())
    if implementation.startswith("flash_attention"):
        raise _no_pattern(implementation)
    if implementation == "flex_attention":
        kept = keep[:, 0].expand(rows, -1, -1).contiguous()
        return create_block_mask(
            lambda b, h, q, k: kept[b, q, k], rows, None, *kept.shape[1:], device=str(kept.device)
        )
    return _dense_form(keep, implementation, parameter.dtype)


def _dense_form(keep: Tensor, implementation: str, dtype: torch.dtype) -> Tensor:
    """Boolean where the kernel knows what that means, else numbers to add."""
    if implementation == "sdpa":
        return keep
    return torch.zeros(keep.shape, dtype=dtype, device=keep.device).masked_fill(~keep, torch.finfo(dtype).min)


def _no_pattern(implementation: str) -> ModelError:
    return ModelError(
        f"{implementation} cannot attend by a pattern of blocks or single edges: load the model with "
        "sdpa, eager or flex_attention."
    )


def _block_mask(pattern: Pattern, device: torch.device) -> BlockMask:
    rule, padding, documents = pattern.rule, pattern.padding, pattern.documents
    if rule is not None and padding is None and documents is None:
        return _kept_block_mask(rule, pattern.length, device)
    size = pattern.length
    rows = len(documents if padding is None else padding)  # type: ignore[arg-type]  # one of them is there
    everything = torch.ones(rows, size, device=device)
    kept = everything.bool() if padding is None else padding.bool().to(device)
    of = everything if documents is None else documents.to(device)

    def keep(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        near = (of[b, q] == of[b, k]) & kept[b, k]
        return (near if rule is None else near & rule(q, k)) | (q == k)

    return create_block_mask(keep, rows, None, size, size, device=str(device))


@functools.lru_cache(maxsize=4)
def _kept_block_mask(rule: Rule, length: int, device: torch.device) -> BlockMask:
    return create_block_mask(lambda b, h, q, k: rule(q, k), None, None, length, length, device=str(device))


def implementation_for(
    model: torch.nn.Module, device: torch.device, own_pattern: bool, positions: int
) -> str:
    """The implementation to train with: the model's own, unless it cannot do the pattern or would need a
    dense mask of more than LONGEST_DENSE `positions` on a GPU."""
    now = implementation_of(model)
    if not own_pattern:
        return now
    if device.type == "cuda" and positions > LONGEST_DENSE:
        return "flex_attention"
    on_cpu_flex = device.type == "cpu" and now == "flex_attention"  # has no backward pass there
    return "sdpa" if now.startswith("flash_attention") or on_cpu_flex else now
