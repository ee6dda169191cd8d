"""What the model will see: sequences after the forward process, and what each token is for.

A picture is plain data, the same for the page and the terminal:

    {"rows": [{"texts", "kinds", "masked", "blocks", "weights", "real"}], "share": {kind: part of the loss},
     "attention": {"sentence", "positions", "cells"}, "level", "levels", "maskable", "masked"}

`real` is how many tokens the row has before its filling. `weights` are what each token's cross-entropy counts
for, as parts of the whole picture's, so `share` is what the loss is made of where all masked tokens are
equally hard to guess: no model is asked.
"""

from typing import Any

import torch
from torch import Tensor

from jobs.data.collate import Collator
from jobs.data.encode import Sequence
from jobs.diffusion.draws import RowDraws
from jobs.diffusion.level import level_range, noise_at
from jobs.diffusion.objectives.base import Batch, Noised, Objective, View, seen
from jobs.diffusion.text import token_texts

KINDS: dict[str, str] = {
    "prompt": "given; never masked",
    "answer": "may be masked and trained",
    "text": "may be masked and trained",
    "end": "end-of-text token, trained: where the model learns to stop",
    "image": "place of a picture; never masked",
    "given": "never masked for another reason, such as the first token of a shifted model",
    "padding": "filling that nobody sees",
}
"""What a token is for."""
CELLS = 48  # along a side of the attention picture, at most


def picture(
    objective: Objective,
    collator: Collator,
    sequences: list[Sequence],
    tokenizer: Any,
    mask_id: int,
    *,
    conversations: bool,
    level: float,
    seed: int = 0,
    step: int | None = None,
) -> dict[str, Any]:
    """The sequences as one batch of a training at the masking probability `level`, or the nearest that the
    objective draws. `step` is for objectives whose attention changes while they train.

    Raises: DataError for pictures that cannot be read.
    """
    # 1. The batch that the data loader would make.
    collated = collator(sequences)
    batch = Batch(
        collated["input_ids"],
        collated["maskable"],
        collated["prompt_lengths"] if conversations else None,
        collated.get("attention_mask"),
        documents=collated.get("documents"),
    )
    # 2. The objective's noise, view and weights.
    lowest, highest = level_range(objective)
    noised = noise_at(objective, batch.input_ids, batch.maskable, mask_id, level, seed)
    view = seen(objective, noised, batch, step, RowDraws((seed, "view"), 0, len(sequences)))
    weights_BL = _weights(objective, noised, batch)
    # 3. What each token is for.
    image = collator.reader.image_token_id if collator.reader is not None else None
    kinds = [
        _kinds(batch, row, conversations, tokenizer.eos_token_id, image) for row in range(len(sequences))
    ]
    size = objective.block_size
    rows = [
        {
            "texts": token_texts(tokenizer, batch.input_ids[row].tolist()),
            "kinds": kinds[row],
            "masked": noised.masked[row].int().tolist(),
            "blocks": [at // size for at in range(len(kinds[row]))] if size else [],
            "weights": [round(weight, 6) for weight in weights_BL[row].tolist()],
            "real": len(sequences[row].input_ids),
        }
        for row in range(len(sequences))
    ]
    return {
        "rows": rows,
        "share": _share(kinds, weights_BL),
        "attention": _attention(objective, view, noised.masked.shape[1]),
        "level": min(max(level, lowest), highest),
        "levels": [round(lowest, 4), round(highest, 4)],
        "maskable": int(batch.maskable.sum()),
        "masked": int(noised.masked.sum()),
        "block_size": size,
        "causal": objective.causal,
        "opens": getattr(objective.options, "anneal_steps", 1),  # steps until its attention is open
    }


def _weights(objective: Objective, noised: Noised, batch: Batch) -> Tensor:
    """[B, L]: each token's part of all weights of the batch; 0 where nothing is masked."""
    weights_BL = torch.zeros(noised.masked.shape)
    if bool(noised.masked.any()):
        weights_BL[noised.masked] = objective.weights(noised, batch).float()
    return weights_BL / weights_BL.sum().clamp(min=torch.finfo(torch.float32).tiny)


def _kinds(batch: Batch, row: int, conversations: bool, eos: int | None, image: int | None) -> list[str]:
    ids, maskable = batch.input_ids[row].tolist(), batch.maskable[row].tolist()
    hidden = [False] * len(ids) if batch.attention_mask is None else (batch.attention_mask[row] == 0).tolist()
    prompt = int(batch.prompt_lengths[row]) if batch.prompt_lengths is not None else 0

    def kind(at: int) -> str:
        if hidden[at]:
            return "padding"
        if image is not None and ids[at] == image:
            return "image"
        if not maskable[at]:
            return "prompt" if at < prompt else "given"
        if ids[at] == eos:
            return "end"
        return "answer" if conversations else "text"

    return [kind(at) for at in range(len(ids))]


def _share(kinds: list[list[str]], weights: Tensor) -> dict[str, float]:
    """The part of the loss that each kind of token has, largest first; kinds without any are left out."""
    found: dict[str, float] = {}
    for names, row in zip(kinds, weights.tolist(), strict=True):
        for name, weight in zip(names, row, strict=True):
            found[name] = found.get(name, 0.0) + weight
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return {name: round(part, 4) for name, part in ordered if part > 0}


def _attention(objective: Objective, view: View, length: int) -> dict[str, Any]:
    """Who sees whom in the first row: a sentence, and a picture with a digit a cell, 0 (no pair of positions
    in it) to 9 (all)."""
    positions, pattern = view.pattern.length, view.pattern.row(0)
    keep = pattern.dense()[0, 0].float()
    keep = keep.tril() if objective.causal else keep
    cells = torch.nn.functional.adaptive_avg_pool2d(keep[None], min(CELLS, positions))[0]
    return {
        "sentence": _sentence(objective, view, length, float(keep.mean())),
        "positions": positions,
        "cells": ["".join(str(int(cell * 9 + 0.5)) for cell in line) for line in cells.tolist()],
    }


def _sentence(objective: Objective, view: View, length: int, share: float) -> str:
    hidden = "" if view.pattern.padding is None else " Nobody sees padding."
    if view.pattern.documents is not None:
        hidden = f" Texts in one sequence do not see each other.{hidden}"
    if objective.causal:
        return f"Each token sees those before it: a causal model.{hidden}"
    if view.pattern.length == 2 * length:
        return (
            "The clean text stands beside the noised one. A noised block of "
            f"{objective.block_size} tokens sees itself and the clean blocks before it.{hidden}"
        )
    if view.pattern.rule is not None and not objective.causal:
        return f"On the way from causal to full attention: {share:.0%} of all pairs see each other.{hidden}"
    return f"Every token sees every other.{hidden}"
