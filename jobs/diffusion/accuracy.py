"""How many masked tokens a model names right, where a given share of each text is masked.

Losses of two objectives cannot be compared, for each weighs tokens in its own way; this can.
"""

import torch

from jobs.diffusion.draws import Draws
from jobs.diffusion.masked_head import likeliest
from jobs.diffusion.objectives.base import (
    Batch,
    Objective,
    mask_by_chance,
    model_inputs,
    seen,
    wanted_outputs,
)


@torch.no_grad()
def right_tokens(
    objective: Objective,
    model: torch.nn.Module,
    batch: Batch,
    share: float,
    *,
    mask_id: int,
    shifted: bool,
    generator: Draws,
) -> tuple[int, int]:
    """(right, masked): how many of the masked tokens are the model's most likely ones, in one pass.

    Each maskable token is masked with probability `share`; the same generator gives the same masks. The model
    sees the text as the objective shows it, block objectives beside the clean blocks before.
    """
    # 1. Nothing speaks for the first token of a shifted model.
    maskable_BL = batch.maskable.clone()
    if shifted:
        maskable_BL[:, 0] = False
    # 2. The same noise level for every token.
    level_B1 = torch.full((len(maskable_BL), 1), share, device=maskable_BL.device)
    noised = mask_by_chance(batch.input_ids, maskable_BL, mask_id, level_B1, level_B1, generator)
    # 3. One pass, of which only the masked positions' outputs are looked at.
    view = seen(objective, noised, batch)
    wanted_BS = wanted_outputs(noised.masked, shifted, view.input_ids.shape[1])
    found_N = likeliest(model, model_inputs(model, view, batch.extra), wanted_BS)
    right_N = found_N == batch.input_ids[noised.masked]
    return int(right_N.sum()), len(right_N)
