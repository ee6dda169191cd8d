"""dLLM's sampler for block diffusion models (code: ZHZisZZ/dllm core/samplers/bd3lm.py)."""

from itertools import zip_longest

import torch

from jobs.diffusion.samplers.base import Sampling, Start, choose, columns, surest, write
from jobs.diffusion.samplers.blocks import Blocks
from jobs.diffusion.samplers.dllm_mdlm import due_tokens
from jobs.diffusion.schedules import SCHEDULES
from jobs.specs.samplers import DllmBD3LMSampler


def sample(start: Start, options: DllmBD3LMSampler) -> Sampling:
    """Fill every mask, block by block, in each step the number of tokens that the schedule expects."""
    ids, draws = start.ids, start.draws
    blocks = Blocks(start, options, options.blocks_from)
    rounds = list(blocks.rounds())
    steps_B = _steps_per_block(start, options, rounds)
    keep_BL = torch.isin(ids, torch.tensor(options.cfg_keep_tokens, dtype=ids.dtype, device=ids.device))
    schedule, chooser = SCHEDULES[options.schedule], draws if options.stochastic_transfer else None
    for number, block_BL in enumerate(rounds):
        counts_B = (block_BL & start.masked(ids)).sum(1).tolist()
        due = [due_tokens(n, s, schedule, chooser) for n, s in zip(counts_B, steps_B, strict=True)]
        for take in zip_longest(*due, fillvalue=0):
            # 1. A token for each mask of the block, guided away from the unconditional if asked.
            open_BL = blocks.open(ids, block_BL)
            left_B = open_BL.sum(1).tolist()
            if not any(left_B):
                break
            at = columns(open_BL)
            view = yield from blocks.look(
                ids,
                block_BL,
                at,
                cfg_scale=options.cfg_scale,
                keep_in_guidance=keep_BL[:, : int(columns(block_BL)[-1]) + 1],
            )
            tokens_BW = choose(view, options.temperature, draws, ids)
            # 2. Each row writes as many as are due, the surest first.
            random = options.remasking == "random"
            confidence_BW = draws.uniform(ids, at) if random else view.chance(tokens_BW)
            number_B = [min(pair) for pair in zip(take, left_B, strict=True)]
            revealed_BW = surest(confidence_BW, open_BL[:, at], at, number_B, ids.shape[1])
            step = write(start, ids, view, tokens_BW, revealed_BW, number)
            ids = step.ids
            yield step


def _steps_per_block(start: Start, options: DllmBD3LMSampler, rounds: list[torch.Tensor]) -> list[int]:
    """How many steps each row spends on each of its blocks."""
    if options.steps_per_block is not None:
        return [options.steps_per_block] * len(start.ids)
    if not rounds:
        return [0] * len(start.ids)
    blocks_B = torch.stack([block_BL.any(1) for block_BL in rounds]).sum(0)
    return [-(-options.steps // max(1, count)) for count in blocks_B.tolist()]
