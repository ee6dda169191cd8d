"""A cache of keys and values that is written where the canvas is read, not only at its end.

transformers' caches grow; a canvas has all its positions from the start. `at(start, visible)` puts the write
pointer before a forward pass: the pass overwrites the slots of the positions it is fed and attends to the
first `visible` slots. One class serves the prefix cache and the dual cache of Fast-dLLM (Wu et al. 2025,
arXiv 2505.22618) and the exact block cache of block diffusion.
"""

from typing import Any

from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin


class _Layer(CacheLayerMixin):
    is_sliding = False

    def __init__(self, canvas: "CanvasCache"):
        super().__init__()
        self.canvas = canvas

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Room for the whole canvas, in the shape of the first keys and values [B, heads, L, D]."""
        self.dtype, self.device = key_states.dtype, key_states.device
        rows, heads, _, width = key_states.shape
        self.keys = key_states.new_zeros(rows, heads, self.canvas.capacity, width)
        self.values = value_states.new_zeros(rows, heads, self.canvas.capacity, value_states.shape[-1])
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, visible = self.canvas.start, self.canvas.visible
        stop = start + key_states.shape[-2]
        self.keys[:, :, start:stop] = key_states
        self.values[:, :, start:stop] = value_states
        return self.keys[:, :, :visible], self.values[:, :, :visible]

    def get_seq_length(self) -> int:
        return self.canvas.start  # transformers counts positions from here

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.canvas.visible, 0

    def get_max_length(self) -> int:
        return self.canvas.capacity


class CanvasCache(Cache):
    """Keys and values of a canvas of `capacity` positions, for as many rows as the first pass has."""

    def __init__(self, layers: int, capacity: int):
        self.capacity = capacity
        self.start, self.visible = 0, capacity
        super().__init__(layers=[_Layer(self) for _ in range(layers)])

    def at(self, start: int, visible: int) -> "CanvasCache":
        """The same cache, ready for a pass that is fed positions from `start` on and sees the first
        `visible`. All of these must have been written before or be fed now."""
        self.start, self.visible = start, visible
        return self
