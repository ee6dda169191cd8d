"""Random numbers that belong to rows: the same however a step's rows are split into batches."""

import pytest
import torch

from jobs.diffusion.draws import RowDraws, seed_of
from jobs.diffusion.objectives import OBJECTIVES as IMPLEMENTED
from jobs.diffusion.objectives import Batch, build_objective
from jobs.diffusion.objectives.base import corrupted, draw_once
from jobs.specs.objective import OBJECTIVES, BD3LMObjective, DDMObjective, LLaDAObjective

MASK, ROWS, LENGTH = 9, 8, 12


def noised(objective, size, length=LENGTH, key=(0, "train", 3)):
    """(masked, time) of a step's ROWS rows, in batches of `size`."""
    ids = torch.arange(ROWS * LENGTH).reshape(ROWS, LENGTH)[:, :length] % MASK
    parts = [
        corrupted(
            objective,
            Batch(part, torch.ones_like(part, dtype=torch.bool)),
            MASK,
            False,
            RowDraws(key, first * size, ROWS),
        )[1]
        for first, part in enumerate(ids.split(size))
    ]
    return torch.cat([p.masked for p in parts]), torch.cat([p.time for p in parts])


@pytest.mark.parametrize("name", [n for n in OBJECTIVES if not IMPLEMENTED[n].causal])
def test_every_objectives_noise_is_the_same_however_the_step_is_split(name):
    objective = build_objective(OBJECTIVES[name].parse({"name": name, "random_length_ratio": 0.5}))
    masked, time = noised(objective, ROWS)
    for size in (1, 2, 4):
        again, times = noised(objective, size)
        assert again.equal(masked)
        torch.testing.assert_close(times, time)
    assert not noised(objective, ROWS, key=(0, "train", 4))[0].equal(masked)


def test_a_shorter_batch_has_the_beginning_of_the_same_noise():
    """A row is padded to the longest row of its batch, which must not change its masks."""
    for options in (LLaDAObjective(), BD3LMObjective(block_size=4, antithetic=False)):
        objective = build_objective(options)
        assert noised(objective, 2, length=8)[0].equal(noised(objective, 2)[0][:, :8])


def test_antithetic_times_are_spread_over_the_step_not_the_batch():
    options = LLaDAObjective(antithetic=True)
    time = noised(build_objective(options), 1)[1][:, 0]
    uniform = (time - options.time_epsilon) / (1 - options.time_epsilon)
    assert (uniform * ROWS).floor().tolist() == list(range(ROWS)), "each row in its own eighth"


def test_annealing_opens_the_same_edges_in_every_batch_of_a_step():
    drawn = [draw_once((3, 3), torch.zeros(1), RowDraws((1,), first, 4)) for first in (0, 2)]
    assert drawn[0].equal(drawn[1])
    assert build_objective(DDMObjective()).own_pattern


def test_calls_differ_and_keys_fix_them():
    draws = RowDraws((0,), 0, 2)
    assert not draws.rows((2, 4)).equal(draws.rows((2, 4)))
    assert RowDraws((0,), 0, 2).rows((2, 4)).equal(RowDraws((0,), 0, 2).rows((2, 4)))
    assert len({seed_of(0, "train", step, row) for step in range(9) for row in range(9)}) == 81
