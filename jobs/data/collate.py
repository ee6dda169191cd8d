"""From sequences to one batch.

Two ways to fill short rows on the right:
  answer  with end-of-text tokens that count as part of the answer: they are masked, trained and attended to.
          So the model learns where to end (LLaDA GUIDELINES.md, SFT). No attention mask.
  ignore  with padding that is neither masked nor trained nor attended to.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from jobs.data.encode import Sequence


@dataclass(frozen=True)
class Collator:
    """Called with a list of sequences by the data loader.

    Returns input_ids [B, L] int64, maskable [B, L] bool (may be masked and trained), prompt_lengths [B]
    int64, lengths [B] int64 without filling, and attention_mask [B, L] int64 only where some cells must not
    be attended to.
    """

    fill_id: int
    fill: Literal["answer", "ignore"]
    first_is_given: bool = False
    """Models with shifted logits cannot predict position 0, so it is never masked."""

    def __call__(self, sequences: list[Sequence]) -> dict[str, Tensor]:
        length = max(len(s.input_ids) for s in sequences)
        rows = len(sequences)
        input_ids = torch.full((rows, length), self.fill_id, dtype=torch.long)
        maskable = torch.zeros(rows, length, dtype=torch.bool)
        attended = torch.zeros(rows, length, dtype=torch.long)
        for i, s in enumerate(sequences):
            n = len(s.input_ids)
            input_ids[i, :n] = torch.tensor(s.input_ids, dtype=torch.long)
            maskable[i, s.prompt_length : length if self.fill == "answer" else n] = True
            attended[i, :n] = 1
        if self.first_is_given:
            maskable[:, 0] = False
        batch = {
            "input_ids": input_ids,
            "maskable": maskable,
            "prompt_lengths": torch.tensor([s.prompt_length for s in sequences], dtype=torch.long),
            "lengths": attended.sum(1),
        }
        if self.fill == "ignore" and not bool(attended.all()):
            batch["attention_mask"] = attended
        return batch
