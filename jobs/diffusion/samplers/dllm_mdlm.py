"""dLLM's sampler for masked diffusion models (code: ZHZisZZ/dllm core/samplers/mdlm.py and utils.py)."""

from itertools import zip_longest

import torch
from torch import Tensor

from jobs.diffusion.samplers.base import Draws, Sampling, Start, View, choose, columns, look, surest, write
from jobs.diffusion.samplers.llada import without_ends
from jobs.diffusion.schedules import SCHEDULES, Schedule
from jobs.protocol.errors import SpecError
from jobs.specs.samplers import DllmMDLMSampler


def sample(start: Start, options: DllmMDLMSampler) -> Sampling:
    """Fill every mask, block by block, in each step the number of tokens that the schedule expects.

    Raises: SpecError for a token that the model has not.
    """
    ids, draws = start.ids, start.draws
    block_BL, steps_B = blocks_of(start, options)
    keep_BL = torch.isin(ids, torch.tensor(options.cfg_keep_tokens, dtype=ids.dtype, device=ids.device))
    chooser = draws if options.stochastic_transfer else None
    for block in range(int(block_BL.max()) + 1):
        in_block_BL = block_BL == block
        counts_B = in_block_BL.sum(1).tolist()
        schedule = SCHEDULES[options.schedule]
        due = [due_tokens(n, s, schedule, chooser) for n, s in zip(counts_B, steps_B, strict=True)]
        for take in zip_longest(*due, fillvalue=0):
            # 1. What the model says about the masks of the block.
            open_BL = in_block_BL & start.masked(ids)
            at = columns(open_BL)
            view = yield from look(
                start, ids, at, start.attention_mask, cfg_scale=options.cfg_scale, keep_in_guidance=keep_BL
            )
            # 2. A token for each, and how sure the model is of it.
            tokens_BW = choose(view, options.temperature, draws, ids)
            if options.remasking == "random":
                confidence_BW = draws.uniform(ids, at)
            else:
                confidence_BW = _confidence(view, tokens_BW, options.begin_suppress_tokens)
            # 3. Each row writes as many as are due, the surest first.
            revealed_BW = surest(confidence_BW, open_BL[:, at], at, list(take), ids.shape[1])
            step = write(start, ids, view, tokens_BW, revealed_BW, block)
            ids = step.ids
            yield step


def blocks_of(start: Start, options: DllmMDLMSampler) -> tuple[Tensor, list[int]]:
    """(the block [B, L] of each mask, -1 at all else; the steps that each row spends on a block).

    A grid is one block. dLLM counts from the prompt's end in `sample`, from the first token in `infill`.
    """
    counted_BL = ~start.given if options.blocks_from == "mask" else ~start.padding
    length = counted_BL.shape[1]
    first_B1 = counted_BL.int().argmax(1, keepdim=True)
    end_B1 = length - counted_BL.flip(1).int().argmax(1, keepdim=True)
    extent_B1 = ((end_B1 - first_B1) * counted_BL.any(1, keepdim=True)).clamp(min=1)
    one_block = options.block_size is None or start.config.task == "grid"
    size_B1 = extent_B1 if one_block else torch.full_like(extent_B1, options.block_size or 1)
    place_BL = torch.arange(length, device=first_B1.device) - first_B1
    block_BL = (place_BL // size_B1).masked_fill(start.given, -1)
    blocks_B = (-(-extent_B1 // size_B1)).flatten()
    if options.quota == "batch":
        blocks_B = blocks_B.max().expand_as(blocks_B)
    return block_BL, (-(-options.steps // blocks_B)).tolist()


def due_tokens(count: int, steps: int, schedule: Schedule, draws: Draws | None = None) -> list[int]:
    """How many of `count` masks each step reveals; steps without any are left out.

    From time t to s a mask is revealed with probability 1 - (1 - alpha(s)) / (1 - alpha(t)). The expected
    number is rounded, halves to the even one; with `draws` it is drawn from the binomial. The last step
    takes the rest. float32 as published, for a sum that is all but a half must fall on the same side.
    """
    time = torch.tensor([step / steps for step in range(steps, -1, -1)], dtype=torch.float32)
    hidden = 1 - schedule.alpha(time)
    chances = (1 - (hidden[1:] / hidden[:-1]).double()).clamp(0, 1).tolist()
    due, left = [], count
    for chance in chances:
        number = min(left, round(left * chance) if draws is None else draws.binomial(left, chance))
        left -= number
        if number:
            due.append(number)
    return due


def _confidence(view: View, tokens_BW: Tensor, last: list[int]) -> Tensor:
    """[B, W] probabilities of the tokens, once the tokens `last` are taken out of the softmax."""
    words = view.logits.shape[-1]
    unknown = [token for token in last if token >= words]
    if unknown:
        raise SpecError(
            f"begin_suppress_tokens: there is no token {unknown[0]}; the model has {words}. Take it out."
        )
    return without_ends(view, tokens_BW, tuple(last)) if last else view.chance(tokens_BW)
