"""The learning-rate finder: how the rate rises, where the search ends, what it suggests."""

import math

import pytest
import torch

from jobs.programs.training import rates
from jobs.protocol.events import EventWriter
from jobs.protocol.folder import RunFolder


def test_the_rate_rises_by_the_same_factor_each_step():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    schedule = rates.rising(optimizer, 7)
    found = []
    for _ in range(7):
        found.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert found == pytest.approx([0.5 * 10.0 ** (i - 6) for i in range(7)])


def valley(best=60, steps=100):
    """A curve that falls slowly to its best step and then rises fast."""
    return [
        (10.0 ** (6 * (i / steps - 1)), 5 - i / best if i <= best else 4 + (i - best)) for i in range(steps)
    ]


def test_a_tenth_of_the_best_rate_is_suggested():
    points = valley()
    assert rates.suggested(points) == pytest.approx(points[60][0] / 10, rel=0.8)


@pytest.mark.parametrize("points", [[], valley()[:5], [(10.0**i, 5.0 + i) for i in range(20)]])
def test_nothing_is_suggested_where_the_loss_never_fell(points):
    assert rates.suggested(points) is None


@pytest.mark.parametrize(
    ("losses", "ended"),
    [
        ([3.0, 2.0], False),
        ([3.0, math.nan], True),
        ([3.0, math.inf], True),
        ([2.0] * 30 + [9.0], False),
        ([2.0] * 30 + [9.0] * 9, True),
    ],
)
def test_the_search_ends_when_the_loss_blows_up_but_not_at_one_bad_batch(losses, ended):
    assert rates.has_diverged(losses) is ended


def test_the_curve_is_read_from_the_events_of_all_attempts(tmp_path):
    run = RunFolder.create(tmp_path / "runs", "train", {"kind": "train"})
    for attempt, steps in ((1, (1, 2, 3)), (2, (3, 4))):
        events = EventWriter(run.events, attempt)
        for step in steps:
            events.write(
                "metrics", step=step, values={"loss": step + attempt / 10, "learning_rate": step / 10}
            )
        events.write("metrics", step=step, values={"validation_loss": 1.0})
    assert rates.curve(run) == [(0.1, 1.1), (0.2, 2.1), (0.3, 3.2), (0.4, 4.2)]
