"""Several processes compute one long text together (Ulysses).

Each has a slice of the positions, and all weights. In attention they exchange: every process gets all
positions of some of the heads, attends without a mask, and gives each position back to its owner (Jacobs et
al. 2023, arXiv 2309.14509, section 3; code: deepspeedai/DeepSpeed deepspeed/sequence/layer.py). Everything
else in a transformer treats positions one by one. The exchange is our own twenty lines of torch.distributed,
so that it runs on a CPU, without compiling.

accelerate's context parallelism is not used: its ring attention (torch's context_parallel) is causal.

Shapes: B rows, H heads, P processes that share a text, L positions of the text, S = L / P of this process,
D size of a head.
"""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from accelerate.data_loader import prepare_data_loader
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from jobs.diffusion import attention
from jobs.diffusion.masked_head import takes
from jobs.diffusion.objectives import Objective
from jobs.programs.training.corpus import Corpus
from jobs.programs.training.ranks import Layout
from jobs.protocol.errors import ModelError, SpecError

ULYSSES = "ulysses"  # the name of our attention among those of transformers
_shared = True  # False: texts are not split now


@contextlib.contextmanager
def whole_texts() -> Iterator[None]:
    """Inside, this process computes whole texts on its own: prompts are unmasked."""
    global _shared
    before, _shared = _shared, False
    try:
        yield
    finally:
        _shared = before


def layout_of(parts: int, device: torch.device, rank: int, world: int) -> Layout:
    """Who computes what. Every process must call it. Raises: SpecError."""
    if parts == 1:
        return Layout(rank, world)
    if world % parts:
        raise SpecError(f"launcher.sequence_parallel ({parts}) must divide the number of processes, {world}.")
    mesh = init_device_mesh(device.type, (world // parts, parts))
    return Layout(rank // parts, world // parts, rank % parts, parts, mesh.get_group(1))


def share_texts(model: Any, objective: Objective, corpus: Corpus, layout: Layout) -> None:
    """Have the model's attention exchange. Raises: SpecError for what cannot be shared."""
    refuse_objective(objective)
    refuse_corpus(corpus, layout.parts)
    refuse_model(model, layout.parts)
    AttentionInterface.register(ULYSSES, functools.partial(attend, layout.group))
    AttentionMaskInterface.register(ULYSSES, sdpa_mask)
    model.set_attn_implementation(ULYSSES)


def refuse_objective(objective: Objective) -> None:
    """Raises: SpecError unless everybody sees everybody in every step."""
    if objective.causal:
        raise SpecError(f"launcher.sequence_parallel: {objective.name} is causal; set it to 1.")
    if objective.own_pattern and getattr(objective.options, "anneal_steps", 0) != 1:
        raise SpecError(
            f"launcher.sequence_parallel: {objective.name} attends by a pattern of its own, which is not "
            "shared between processes; choose llada, mdlm or dream (ddm: anneal_steps 1)."
        )
    if getattr(objective.options, "random_length_ratio", 0):
        raise SpecError(
            "launcher.sequence_parallel: texts cut to a random length cannot be shared evenly; set "
            "objective.random_length_ratio to 0."
        )


def refuse_corpus(corpus: Corpus, parts: int) -> None:
    """Raises: SpecError unless all texts have one length, without padding, that the processes can share."""
    if corpus.has_pictures:
        raise SpecError("launcher.sequence_parallel: rows with images cannot be shared; set it to 1.")
    if corpus.collator.separate:
        raise SpecError("launcher.sequence_parallel: shared attention cannot keep texts apart; set it to 1.")
    lengths = {
        corpus.collator.end(len(s.input_ids)) for part in (corpus.train, corpus.validation) for s in part
    }
    if len(lengths) != 1:
        raise SpecError(
            f"launcher.sequence_parallel: texts of {min(lengths)} to {max(lengths)} tokens would need "
            "padding, which shared attention cannot hide; set data.packing to true."
        )
    length = lengths.pop()
    if length % parts:
        raise SpecError(
            f"launcher.sequence_parallel: {parts} processes cannot share {length} tokens evenly; make "
            f"data.max_length a multiple of {parts}."
        )


def refuse_model(model: Any, parts: int) -> None:
    """Raises: SpecError for models whose attention is not plain."""
    config = model.config.get_text_config()
    name = attention.implementation_of(model)
    reason = None
    if name != "sdpa":
        reason = f"attention must be sdpa, and this model has {name}"
    elif not takes(model, "position_ids"):
        reason = f"{type(model).__name__} counts its positions itself"
    elif any("sliding" in kind for kind in getattr(config, "layer_types", None) or ()):
        reason = "some of the model's layers see a window only"
    elif getattr(config, "attn_logit_softcapping", None):
        reason = "the model caps its attention scores"
    elif config.num_attention_heads % parts:
        reason = f"{parts} processes cannot share {config.num_attention_heads} heads evenly"
    if reason:
        raise SpecError(f"launcher.sequence_parallel: {reason}; set it to 1.")


def attend(
    group: Any,
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **given: Any,
) -> tuple[Tensor, None]:
    """Attention of transformers' shape: query [B, H, S, D], key and value with as many heads or fewer, out
    [B, S, H, D]. Raises: ModelError for a mask."""
    if not _shared:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **given
        )
    if attention_mask is not None or given.get("s_aux") is not None:
        raise ModelError(
            "Shared attention takes neither a mask nor sinks; set launcher.sequence_parallel to 1."
        )
    parts = dist.get_world_size(group)
    # 1. Key heads that cannot be shared evenly are repeated for the query heads that read them.
    if key.shape[1] % parts:
        times = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(times, 1), value.repeat_interleave(times, 1)
    # 2. All positions of some heads. [B, H / P, L, D]
    q, k, v = (positions_for_heads(x, parts, group) for x in (query, key, value))
    # 3. Everybody sees everybody.
    grouped = q.shape[1] != k.shape[1]
    out = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scaling, enable_gqa=grouped)
    # 4. All heads of some positions. [B, H, S, D]
    return heads_for_positions(out, parts, group).transpose(1, 2).contiguous(), None


def positions_for_heads(x: Tensor, parts: int, group: Any) -> Tensor:
    """[B, H, S, D] -> [B, H / P, L, D]: heads are given away for the other processes' positions."""
    sent = x.unflatten(1, (parts, -1)).movedim(1, 0)  # [P, B, H / P, S, D]
    return _Exchange.apply(sent, group).movedim(0, 2).flatten(2, 3)


def heads_for_positions(x: Tensor, parts: int, group: Any) -> Tensor:
    """[B, H / P, L, D] -> [B, H, S, D]: the way back."""
    sent = x.unflatten(2, (parts, -1)).movedim(2, 0)  # [P, B, H / P, S, D]
    return _Exchange.apply(sent, group).movedim(0, 1).flatten(1, 2)


class _Exchange(torch.autograd.Function):
    """x[p] goes to process p of the group, and out[p] came from it. Its own transpose."""

    @staticmethod
    def forward(ctx, x: Tensor, group: Any) -> Tensor:
        ctx.group = group
        sent = x.contiguous()
        out = torch.empty_like(sent)
        dist.all_to_all_single(out, sent, group=group)
        return out

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return _Exchange.apply(grad, ctx.group), None


@dataclass(frozen=True)
class Dealer:
    """Stands for an accelerator's `prepare_data_loader`: processes that share texts get the same rows."""

    accelerator: Any
    layout: Layout

    def __call__(self, loader: Any, device_placement: bool | None = None, slice_fn_for_dispatch: Any = None):
        ours = self.accelerator
        prepared = prepare_data_loader(
            loader,
            ours.device,
            num_processes=self.layout.world,
            process_index=self.layout.rank,
            put_on_device=ours.device_placement if device_placement is None else device_placement,
            rng_types=ours.rng_types.copy(),
            even_batches=ours.even_batches,
            use_seedable_sampler=ours.use_seedable_sampler,
            data_seed=ours.dataloader_config.data_seed,
            non_blocking=ours.non_blocking,
        )
        ours._dataloaders.append(prepared)
        return prepared
