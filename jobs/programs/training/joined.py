"""Two optimizers that look like one: to the schedule of the learning rate, and to a checkpoint."""

from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer


class Joined(Optimizer):
    """Steps its parts one after the other. They share this one's groups and state, so that a changed learning
    rate reaches them and `state_dict` holds all."""

    def __init__(self, parts: list[Optimizer]):
        self.parts = parts
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._share()

    def _share(self) -> None:
        start = 0
        for part in self.parts:
            end = start + len(part.param_groups)
            part.param_groups = self.param_groups[start:end]
            part.state = self.state
            start = end

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        loss = closure() if closure is not None else None
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._share()
