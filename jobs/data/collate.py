"""From sequences to one batch.

Short rows are filled on the right. End-of-text tokens that count as part of the answer are masked, trained
and attended to, so the model learns where to end; what comes after them is padding, neither masked nor
trained nor attended to. How far the answer goes:
  batch   to the end of the longest row (LLaDA GUIDELINES.md, SFT)
  block   to the end of the row's last block (ZHZisZZ/dllm, AppendEOSBlockWrapper)
  length  to a length that is the same for all batches (inclusionAI/dFactory, padding="max_length")
  ignore  nowhere: padding alone

`cut` shortens answers before that, as the SFT collator of ZHZisZZ/dllm pipelines/dream/utils.py does.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from jobs.data.encode import Sequence
from jobs.data.images import PictureReader
from jobs.diffusion.draws import seed_of


@dataclass(frozen=True)
class Collator:
    """Called with a list of sequences by the data loader.

    Returns input_ids [B, L] int64, maskable [B, L] bool (may be masked and trained), prompt_lengths [B]
    int64, lengths [B] int64 without filling, and attention_mask [B, L] int64 only where some cells must not
    be attended to. With `separate` there is documents [B, L] int64, the number of each position's text in its
    sequence. Where rows have pictures, `extra` holds what the model is given of them (see
    jobs.data.images.PictureReader.inputs); image tokens are never maskable.
    """

    fill_id: int
    fill: Literal["batch", "block", "length", "ignore"]
    size: int = 1
    """Tokens of a block, or the length."""
    first_is_given: bool = False
    """Models with shifted logits cannot predict position 0, so it is never masked."""
    reader: PictureReader | None = None
    """For models that see pictures."""
    separate: bool = False
    """Whether the batch says which text of its sequence each position belongs to."""
    cut: bool = False
    """Whether the answers of a batch are cut to the length of one of them. The batch's tokens draw which, so
    that a resumed training cuts as the uninterrupted one."""

    def __call__(self, sequences: list[Sequence]) -> dict[str, Any]:
        sequences = _cut(sequences) if self.cut else sequences
        length = max(self.end(len(s.input_ids)) for s in sequences)
        rows = len(sequences)
        input_ids = torch.full((rows, length), self.fill_id, dtype=torch.long)
        maskable = torch.zeros(rows, length, dtype=torch.bool)
        attended = torch.zeros(rows, length, dtype=torch.long)
        for i, s in enumerate(sequences):
            n = len(s.input_ids)
            end = length if self.fill == "batch" else self.end(n)
            input_ids[i, :n] = torch.tensor(s.input_ids, dtype=torch.long)
            for start, stop in (*s.earlier, (s.prompt_length, end)):
                maskable[i, start:stop] = True
            attended[i, :end] = 1
        documents = _documents(sequences, length) if self.separate else None
        if self.first_is_given:
            maskable[:, 0] = False
            for i, s in enumerate(sequences if self.separate else []):
                maskable[i, list(s.documents)] = False
        batch = {
            "input_ids": input_ids,
            "maskable": maskable,
            "prompt_lengths": torch.tensor([s.prompt_length for s in sequences], dtype=torch.long),
            "lengths": torch.tensor([len(s.input_ids) for s in sequences], dtype=torch.long),
        }
        if documents is not None:
            batch["documents"] = documents
        if not bool(attended.all()):
            batch["attention_mask"] = attended
        pictures = [file for s in sequences for file in s.pictures]
        if self.reader is not None and pictures:
            batch["extra"] = self.reader.inputs(input_ids, pictures)
            batch["maskable"] = maskable & (input_ids != self.reader.image_token_id)
        return batch

    def end(self, length: int) -> int:
        """Where a row of `length` tokens ends with its filling, whatever its batch."""
        if self.fill == "block":
            return -(-length // self.size) * self.size
        return max(length, self.size) if self.fill == "length" else length


def _cut(sequences: list[Sequence]) -> list[Sequence]:
    drawn = seed_of("cut", *(token for s in sequences for token in s.input_ids)) % len(sequences)
    kept = len(sequences[drawn].input_ids) - sequences[drawn].prompt_length
    return [replace(s, input_ids=s.input_ids[: s.prompt_length + kept]) for s in sequences]


def _documents(sequences: list[Sequence], length: int) -> torch.Tensor:
    """[B, L] int64: 0 for the first text of a sequence, 1 for the second ..."""
    begins = torch.zeros(len(sequences), length, dtype=torch.long)
    for i, s in enumerate(sequences):
        begins[i, list(s.documents)] = 1
    return begins.cumsum(1)


def to_device(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """A batch with all its tensors on a device."""
    return {
        name: to_device(value, device) if isinstance(value, dict) else value.to(device)
        for name, value in batch.items()
    }
