"""The samplers of LLaDA2.0 and LLaDA2.1 (code: inclusionAI/dFactory modeling_llada2_moe.py, generate;
ZHZisZZ/dllm pipelines/llada2/sampler.py and pipelines/llada21/sampler.py)."""

import torch

from jobs.diffusion.samplers.base import Sampling, Start, close, columns, ended, quotas, write
from jobs.diffusion.samplers.blocks import Blocks, fill, over_threshold
from jobs.diffusion.samplers.filters import draw
from jobs.specs.samplers.llada2 import LLaDA2Sampler, LLaDA21Sampler


def sample(start: Start, options: LLaDA2Sampler) -> Sampling:
    """Fill every mask, block by block, in each step every token above the threshold.

    Where these are fewer than the step's share of a block, the surest are written, as many as the share. The
    shares add up to a block, so that the last step fills what is left.
    """
    steps = min(options.steps_per_block, options.max_new_tokens // options.minimal_topk)
    return fill(
        start,
        options,
        lambda size: quotas(size, steps),
        lambda drawn, open_BW, count: over_threshold(drawn, open_BW, count, options.threshold),
    )


def sample_editing(start: Start, options: LLaDA21Sampler) -> Sampling:
    """Fill every mask, block by block; in each step tokens that are already written in the block are replaced
    where the model is sure of another one. A block is left when it has no masks and nothing is replaced, or
    after `max_post_steps` passes without masks.

    A text that has ended when its block is left is closed there (`early_exit`).
    """
    ids = start.ids
    blocks = Blocks(start, options)
    number = 0
    for number, whole_BL in enumerate(blocks.rounds()):
        # 1. Rows that have more to write, and how many more passes each may spend on a block without masks.
        busy_BL = whole_BL & ~_done(start, ids, options)[:, None]
        left_B = torch.full((len(ids),), options.max_post_steps, device=ids.device)
        while True:
            open_BL = busy_BL & start.masked(ids)
            left_B = left_B - (~open_BL.any(1)).long()
            busy_BL = busy_BL & (left_B >= 0)[:, None]
            if not bool(busy_BL.any()):
                break
            # 2. A token for each position that was not given.
            at = columns(busy_BL & ~start.given)
            view = yield from blocks.look(ids, whole_BL, at)
            drawn = draw(view, options.temperature, options.top_k, options.top_p, start.draws, ids)
            # 3. Masks become tokens, tokens become others.
            open_BW = open_BL[:, at]
            revealed_BW = over_threshold(drawn, open_BW, options.num_to_transfer, options.threshold)
            written_BW = (busy_BL & ~start.given)[:, at] & ~open_BW
            sure_BW = drawn.confidence > options.editing_threshold
            edited_BW = written_BW & sure_BW & (drawn.tokens != ids[:, at])
            # 4. Rows in which there is nothing left to do leave the block.
            done_B = ~open_BW.any(1) & ~edited_BW.any(1)
            busy_BL = busy_BL & ~done_B[:, None]
            if bool((revealed_BW | edited_BW).any()):
                step = write(start, ids, view, drawn.tokens, revealed_BW | edited_BW, number)
                ids = step.ids
                yield step
    # 5. What lies behind the end of a text.
    rest = close(start, ids, number)
    if rest is not None:
        yield rest


def _done(start: Start, ids: torch.Tensor, options: LLaDA21Sampler) -> torch.Tensor:
    """[B] bool: rows whose text has ended and that may leave it at that."""
    return ended(start, ids) & torch.tensor(options.early_exit, device=ids.device)
