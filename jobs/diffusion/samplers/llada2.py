"""The samplers of LLaDA2.0 and LLaDA2.1 (code: inclusionAI/dFactory modeling_llada2_moe.py, generate;
ZHZisZZ/dllm pipelines/llada2/sampler.py and pipelines/llada21/sampler.py)."""

import torch

from jobs.diffusion.samplers.base import Sampling, Start, close, columns, ended, quotas, write
from jobs.diffusion.samplers.blocks import Blocks, over_threshold
from jobs.diffusion.samplers.filters import draw
from jobs.specs.samplers.llada2 import LLaDA2Sampler, LLaDA21Sampler


def sample(start: Start, options: LLaDA2Sampler) -> Sampling:
    """Fill every mask, block by block, in each step every token above the threshold.

    Where these are fewer than the step's share of a block, the surest are written, as many as the share. The
    shares add up to a block, so that the last step fills what is left.
    """
    ids, draws = start.ids, start.draws
    blocks = Blocks(start, options)
    steps = min(options.steps_per_block, options.max_new_tokens // options.minimal_topk)
    for number, block_BL in enumerate(blocks.rounds()):
        for quota in quotas(blocks.size, steps):
            open_BL = block_BL & start.masked(ids)
            if not bool(open_BL.any()):
                break
            # 1. A token for each mask of the block, and how sure the model is of it.
            at = columns(open_BL)
            view = yield from blocks.look(ids, block_BL, at)
            tokens_BW, confidence_BW, _ = draw(
                view, options.temperature, options.top_k, options.top_p, draws, ids
            )
            # 2. The sure ones, or the surest.
            where_BW = over_threshold(
                confidence_BW, open_BL[:, at], options.threshold, quota, at, ids.shape[1]
            )
            step = write(start, ids, view, tokens_BW, where_BW, number)
            ids = step.ids
            yield step


def sample_editing(start: Start, options: LLaDA21Sampler) -> Sampling:
    """Fill every mask, block by block; in each step tokens that are already written in the block are replaced
    where the model is sure of another one. A block is left when it has no masks and nothing is replaced, or
    after `max_post_steps` passes without masks.

    A text that has ended when its block is left is closed there (`early_exit`).
    """
    ids, draws = start.ids, start.draws
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
            tokens_BW, confidence_BW, _ = draw(
                view, options.temperature, options.top_k, options.top_p, draws, ids
            )
            # 3. Masks become tokens, tokens become others.
            open_BW = open_BL[:, at]
            revealed_BW = over_threshold(
                confidence_BW, open_BW, options.threshold, options.num_to_transfer, at, ids.shape[1]
            )
            written_BW = (busy_BL & ~start.given)[:, at] & ~open_BW
            edited_BW = written_BW & (confidence_BW > options.editing_threshold) & (tokens_BW != ids[:, at])
            # 4. Rows in which there is nothing left to do leave the block.
            done_B = ~open_BW.any(1) & ~edited_BW.any(1)
            busy_BL = busy_BL & ~done_B[:, None]
            if bool((revealed_BW | edited_BW).any()):
                step = write(start, ids, view, tokens_BW, revealed_BW | edited_BW, number)
                ids = step.ids
                yield step
    # 5. What lies behind the end of a text.
    rest = close(start, ids, number)
    if rest is not None:
        yield rest


def _done(start: Start, ids: torch.Tensor, options: LLaDA21Sampler) -> torch.Tensor:
    """[B] bool: rows whose text has ended and that may leave it at that."""
    return ended(start, ids) & torch.tensor(options.early_exit, device=ids.device)
