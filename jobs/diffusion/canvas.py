"""Canvases: the ids a sampler starts from, with masks where the model is to write."""

import re

import torch
from torch import Tensor

from jobs.diffusion.text import Tokenizer

BLANK = re.compile(r"_{4,}")
GRID_BLANKS = ".0"


def completion(
    prompts: list[list[int]], max_new_tokens: int, mask_id: int, pad_id: int
) -> tuple[Tensor, Tensor | None]:
    """Prompts followed by `max_new_tokens` masks: ids [B, L] and attention mask [B, L] (None: no padding).

    Shorter prompts are padded on the left, so that all answers begin in the same column.
    """
    longest = max(len(prompt) for prompt in prompts)
    tail = [mask_id] * max_new_tokens
    rows = [[pad_id] * (longest - len(p)) + list(p) + tail for p in prompts]
    if all(len(p) == longest for p in prompts):
        return torch.tensor(rows), None
    kept = [[0] * (longest - len(p)) + [1] * (len(p) + max_new_tokens) for p in prompts]
    return torch.tensor(rows), torch.tensor(kept)


def infill(text: str, tokenizer: Tokenizer, mask_id: int, blanks: int = 8) -> Tensor:
    """A text with every ____ turned into `blanks` masks: ids [1, L].

    A space before a gap is the model's to write where tokens carry the space before them.
    """
    ids: list[int] = []
    parts = BLANK.split(text)
    spaced = any(part.endswith(" ") for part in parts[:-1])  # else nobody asks, and it may know no space
    words_carry_it = spaced and len(tokenizer.encode(" a", add_special_tokens=False)) == 1
    for index, part in enumerate(parts):
        if index:
            ids += [mask_id] * blanks
        if words_carry_it and index + 1 < len(parts):
            part = part.rstrip(" ")
        if part:
            ids += tokenizer.encode(part, add_special_tokens=False)
    return torch.tensor([ids])


def grid(text: str, tokenizer: Tokenizer, mask_id: int) -> Tensor:
    """A grid written cell by cell, blanks as `.` or `0`, white space ignored: ids [1, L]."""
    ids: list[int] = []
    for cell in "".join(text.split()):
        ids += [mask_id] if cell in GRID_BLANKS else tokenizer.encode(cell, add_special_tokens=False)
    return torch.tensor([ids])
