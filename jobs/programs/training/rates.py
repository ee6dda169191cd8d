"""The learning-rate finder: a short training whose rate rises, and the rate to take from its curve
(Smith 2017, arXiv 1506.01186, section 3.3; the tenth of the best rate is fastai's rule)."""

import math
from typing import TYPE_CHECKING, Any

from jobs.protocol.events import read_events
from jobs.protocol.folder import RunFolder

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LambdaLR

LOWEST = 1e-6  # where the rate begins, as a share of where it ends
WINDOW = 4  # points on either side that smooth the curve
DIVERGED = 4.0  # a loss so many times the lowest ends the search


def rising(optimizer: "Optimizer", steps: int) -> "LambdaLR":
    """From LOWEST of the optimizer's rate up to it in `steps` steps, by the same factor each time."""
    from torch.optim.lr_scheduler import LambdaLR  # noqa: PLC0415 - the command line reads curves without torch

    return LambdaLR(optimizer, lambda done: LOWEST ** (1 - min(1.0, done / max(1, steps - 1))))


def curve(run: RunFolder) -> list[tuple[float, float]]:
    """(learning rate, loss) of each step so far, this attempt's and earlier ones'."""
    points: dict[int, tuple[float, float]] = {}
    offset = 0
    while read := list(read_events(run.events, offset)):
        for _, event in read:
            values: dict[str, Any] = event.get("values", {}) if event.get("event") == "metrics" else {}
            if "loss" in values and "learning_rate" in values:
                points[event["step"]] = (values["learning_rate"], values["loss"])
        offset = read[-1][0]
    return [points[step] for step in sorted(points)]


def smooth(losses: list[float]) -> list[float]:
    """Each loss as the mean of those around it."""
    parts = [losses[max(0, i - WINDOW) : i + WINDOW + 1] for i in range(len(losses))]
    return [math.fsum(part) / len(part) for part in parts]


def has_diverged(losses: list[float]) -> bool:
    """Whether the newest loss is no number, or the last ones lie far above the lowest."""
    if not losses or not math.isfinite(losses[-1]):
        return True
    means = smooth(losses)
    return len(losses) > 2 * WINDOW and means[-1 - WINDOW] > DIVERGED * min(means)


def suggested(points: list[tuple[float, float]]) -> float | None:
    """A tenth of the rate at which the smoothed loss was lowest; None where it never fell."""
    if len(points) <= 2 * WINDOW:
        return None
    means = smooth([loss for _, loss in points])
    lowest = min(range(len(means)), key=means.__getitem__)
    return points[lowest][0] / 10 if lowest > WINDOW else None
