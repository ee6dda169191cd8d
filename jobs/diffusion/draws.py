"""Random numbers that belong to the rows of a training step, not to the batch in which a row is computed.

Whether a step's rows come as one batch, as eight that are added up, or dealt to several processes: each row
has the same noise. A resumed training draws what the uninterrupted one drew, for nothing depends on how many
numbers were drawn before.
"""

import hashlib

import torch
from torch import Tensor


def seed_of(*key: int | str) -> int:
    """A seed that a key fixes, such as (0, "train", step, row)."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, key)).encode()).digest()[:8], "big") >> 1


class RowDraws:
    """Stands where a torch.Generator does, for one batch of a step.

    `first` is the place of its first row among the `total` rows of the step; `key` is the same for the whole
    step. Every call draws from a stream of its own, so that how many numbers one call takes (rows are padded
    to the longest of their batch) does not change the next. Drawn on the CPU, so that a GPU trains with the
    same masks.
    """

    def __init__(self, key: tuple[int | str, ...], first: int, total: int):
        self.key, self.first, self.total = key, first, total
        self._calls = 0
        self._generator = torch.Generator()

    def rows(self, shape: tuple[int, ...]) -> Tensor:
        """Uniform numbers in [0, 1) of shape [B, ...]: each row its own."""
        call = self._next()
        drawn = [self._stream("row", self.first + row, call, shape[1:]) for row in range(shape[0])]
        return torch.stack(drawn) if drawn else torch.empty(shape)

    def shared(self, shape: tuple[int, ...]) -> Tensor:
        """Uniform numbers in [0, 1) that are the same for all batches of the step."""
        return self._stream("step", 0, self._next(), shape)

    def _next(self) -> int:
        self._calls += 1
        return self._calls

    def _stream(self, kind: str, place: int, call: int, shape: tuple[int, ...]) -> Tensor:
        self._generator.manual_seed(seed_of(*self.key, kind, place, call))
        return torch.rand(shape, generator=self._generator)


Draws = torch.Generator | RowDraws | None
"""Where random numbers come from; None is torch's global generator."""
