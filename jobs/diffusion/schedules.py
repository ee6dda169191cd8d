"""Noise schedules: alpha(t) is the chance that a token is still readable at time t in [0, 1].

alpha falls from 1 (t = 0, clean) to 0 (t = 1, all masked). A token is masked with probability 1 - alpha(t);
the bound's weight of its cross-entropy is -alpha'(t) / (1 - alpha(t)) (Sahoo et al. 2024, arXiv 2406.07524,
eq. 10; the 1e-6 in the denominator is that of ZHZisZZ/dllm core/schedulers/alpha.py).
"""

import math
from typing import Protocol

from torch import Tensor

WEIGHT_EPSILON = 1e-6


class Schedule(Protocol):
    """alpha and the loss weight at times [...] -> [...]."""

    def alpha(self, time: Tensor) -> Tensor: ...

    def weight(self, time: Tensor) -> Tensor: ...


class LinearSchedule:
    """alpha(t) = 1 - t, so the weight is 1 / t."""

    def alpha(self, time: Tensor) -> Tensor:
        return 1 - time

    def weight(self, time: Tensor) -> Tensor:
        return 1 / (time + WEIGHT_EPSILON)


class CosineSchedule:
    """alpha(t) = 1 - cos(pi/2 (1 - t)): few masks at first, most of the time at low noise."""

    def alpha(self, time: Tensor) -> Tensor:
        return 1 - (math.pi / 2 * (1 - time)).cos()

    def weight(self, time: Tensor) -> Tensor:
        falling = math.pi / 2 * (math.pi / 2 * (1 - time)).sin()  # -alpha'(t)
        return falling / (1 - self.alpha(time) + WEIGHT_EPSILON)


class SquareRootSchedule:
    """alpha(t) = 1 - sqrt(t): many masks early (kuleshov-group/bd3lms noise_schedule.py, ExpNoise(0.5))."""

    def alpha(self, time: Tensor) -> Tensor:
        return 1 - time.sqrt()

    def weight(self, time: Tensor) -> Tensor:
        falling = 0.5 / time.clamp(min=WEIGHT_EPSILON).sqrt()  # -alpha'(t)
        return falling / (time.sqrt() + WEIGHT_EPSILON)


SCHEDULES: dict[str, Schedule] = {
    "linear": LinearSchedule(),
    "cosine": CosineSchedule(),
    "square_root": SquareRootSchedule(),
}
