"""BD3-LM's sampler (Arriola et al. 2025, arXiv 2503.09573; code: kuleshov-group/bd3lms diffusion.py,
_semi_ar_sampler and _ddpm_caching_update)."""

from dataclasses import replace

import torch
from torch import Tensor

from jobs.diffusion.samplers.base import Sampling, Start, View, choose, close, columns, ended, write
from jobs.diffusion.samplers.blocks import Blocks
from jobs.protocol.errors import SpecError
from jobs.specs.samplers.bd3lm import BD3LMSampler

STEPS = 5000
WINDOW, LEAST_ENTROPY = 256, 4.0  # tokens, nats


def sample(start: Start, options: BD3LMSampler) -> Sampling:
    """Fill every mask, block by block, each position at a random time with a token drawn from the model.

    With the linear schedule a mask is revealed at a time that is uniform over the block's steps, whatever the
    model says, and the model is not told the time. So all times are drawn first, and the model is asked only
    where something is revealed: that is the published step-by-step draw with its cache of unchanged canvases.
    First hitting (Zheng et al. 2024, arXiv 2409.02908) is the same in continuous time.

    Raises: SpecError where a text could not be ended (`var_length`).
    """
    ids, draws = start.ids, start.draws
    if options.var_length:
        _can_end(start)
    blocks = Blocks(start, options)
    stopped_B = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
    number = 0
    for number, whole_BL in enumerate(blocks.rounds()):
        # 1. When each position is revealed: in which step, or at what time.
        block_BL = whole_BL & ~stopped_B[:, None]
        due_BL = torch.full(ids.shape, torch.inf, device=ids.device)
        at = columns(whole_BL)
        due_BL[:, at] = draws.uniform(ids, at)
        if not options.first_hitting:
            due_BL = (due_BL * (options.steps_per_block or STEPS)).floor()
        while bool((open_BL := blocks.open(ids, block_BL)).any()):
            # 2. Each row's next ones.
            waiting_BL = due_BL.masked_fill(~open_BL, torch.inf)
            next_BL = open_BL & (waiting_BL == waiting_BL.amin(1, keepdim=True))
            at = columns(next_BL)
            view = yield from blocks.look(ids, whole_BL, at)
            # 3. A token for each, drawn.
            tokens_BW = choose(nucleus(view, options.nucleus_p), 1.0, draws, ids)
            step = write(start, ids, view, tokens_BW, next_BL[:, at], number)
            ids = step.ids
            yield step
        # 4. Texts that have begun to repeat themselves go no further.
        if options.var_length:
            stopped_B |= repeats(ids, (blocks.number <= _last(blocks.number, whole_BL)) & ~start.padding)
    if bool(stopped_B.any()):
        rest = close(start, ids, number)
        if rest is not None:
            yield rest


def nucleus(view: View, p: float) -> View:
    """The view with all tokens impossible but those whose probabilities, added up from the likeliest on, are
    at most `p`, and the likeliest."""
    if p == 1:
        return view
    ordered_BWV, index_BWV = view.logits.double().softmax(-1).sort(dim=-1, descending=True)
    out_BWV = ordered_BWV.cumsum(-1) > p
    out_BWV[..., 0] = False
    return replace(
        view, logits=view.logits.masked_fill(out_BWV.gather(-1, index_BWV.argsort(-1)), -torch.inf)
    )


def repeats(ids: Tensor, written_BL: Tensor) -> Tensor:
    """[B] bool: rows in which `written_BL` marks more than WINDOW tokens, the last of which have too low an
    entropy."""
    found = []
    for row, written in zip(ids, written_BL, strict=True):
        text = row[written]
        counts = text[-WINDOW:].unique(return_counts=True)[1].double()
        entropy = torch.special.entr(counts / counts.sum()).sum()
        found.append(len(text) > WINDOW and bool(entropy < LEAST_ENTROPY))
    return torch.tensor(found, device=ids.device)


def _last(number_BL: Tensor, block_BL: Tensor) -> Tensor:
    """[B, 1] the number of each row's block; of a row that sits out, one that comes before all."""
    return number_BL.masked_fill(~block_BL, -1).amax(1, keepdim=True)


def _can_end(start: Start) -> None:
    """Raises: SpecError where there is no end token, or words stand behind the masks."""
    if start.eos_id is None and start.eot_id is None:
        raise SpecError("var_length ends a text with the end token, and this model names none: turn it off.")
    everything_ended = start.ids.masked_fill(~start.given, start.eos_id or start.eot_id or 0)
    has_masks_B = (~start.given).any(1)
    if bool((has_masks_B & ~ended(start, everything_ended)).any()):
        raise SpecError("var_length may end a text early, and here words stand behind the gaps: turn it off.")
