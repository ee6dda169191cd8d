"""A sweep's points: every cell of a grid, random draws, and what is refused."""

import math

import pytest

from jobs.protocol.errors import SpecError
from jobs.specs.groups import parse_group

BASE = {
    "kind": "train",
    "name": "Base",
    "model": {"path": "m"},
    "data": {"path": "d"},
    "queue": {"retries": 2},
}
RATE, STEPS = "optimisation.learning_rate", "optimisation.steps"


def sweep(**fields):
    return parse_group({"kind": "sweep", "base": BASE, **fields})


def test_a_grid_is_every_cell_and_each_job_says_which():
    made = sweep(grid={RATE: ["1e-4", 0.001], "tuning.rank": [4, 8]}, changes={STEPS: 7})
    jobs = made.jobs(BASE, "sweep-0002")
    assert [job.queue.place for job in jobs] == [
        "learning_rate=0.0001, rank=4",
        "learning_rate=0.0001, rank=8",
        "learning_rate=0.001, rank=4",
        "learning_rate=0.001, rank=8",
    ]
    assert [(job.optimisation.learning_rate, job.tuning.rank) for job in jobs][1] == (1e-4, 8)
    assert jobs[0].name == "Base: learning_rate=0.0001, rank=4"
    assert {(job.queue.group, job.queue.retries, job.optimisation.steps) for job in jobs} == {
        ("sweep-0002", 2, 7)
    }
    assert BASE["name"] == "Base" and "optimisation" not in BASE, "the base stays as it was"


def test_fields_of_the_same_name_are_told_apart():
    (job,) = sweep(grid={"tuning.alpha": [8.0], "model.path": ["a"], "data.path": ["b"]}).jobs(BASE)
    assert job.queue.place == "alpha=8, model.path=a, data.path=b"


def test_random_points_come_from_the_seed_and_lie_in_their_ranges():
    ranges = {RATE: {"log": [1e-5, 1e-2]}, "tuning.rank": {"log": [1, 64]}, STEPS: {"choice": [10, 20]}}
    ranges["optimisation.weight_decay"] = {"linear": [0, 0.5]}
    points = sweep(random={"n": 40, "seed": 3, "ranges": ranges}).points()
    assert points == sweep(random={"n": 40, "seed": 3, "ranges": ranges}).points()
    assert points != sweep(random={"n": 40, "seed": 4, "ranges": ranges}).points()
    rates = [point[RATE] for point in points]
    assert 1e-5 <= min(rates) < 1e-4 and 1e-3 < max(rates) <= 1e-2
    assert sum(math.log10(rate) for rate in rates) / 40 == pytest.approx(-3.5, abs=0.5), "even in the log"
    assert {point[STEPS] for point in points} == {10, 20}
    assert all(isinstance(point["tuning.rank"], int) for point in points)


def test_grid_and_random_are_multiplied():
    points = sweep(grid={STEPS: [1, 2]}, random={"n": 3, "ranges": {RATE: {"log": [1e-5, 1e-2]}}}).points()
    assert len(points) == 6
    assert [p[RATE] for p in points[:3]] == [p[RATE] for p in points[3:]], "the same draws in every cell"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "give grid, random or both"),
        ({"grid": {STEPS: []}}, "optimisation.steps has no values"),
        ({"grid": {STEPS: [*range(1, 200)]}}, "199 jobs and limit is 100"),
        ({"grid": {"queue.group": ["x"]}}, "queue.group cannot be changed"),
        ({"grid": {STEPS: [1]}, "random": {"n": 1, "ranges": {STEPS: {"choice": [1]}}}}, "keep one"),
        ({"random": {"n": 1, "ranges": {STEPS: {"linear": [1, 2], "choice": [1]}}}}, "give one of linear"),
        ({"random": {"n": 1, "ranges": {RATE: {"log": [0, 1]}}}}, "greater than 0"),
        ({"random": {"n": 1, "ranges": {RATE: {"linear": [1, 1]}}}}, "smaller than the second"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused(fields, words):
    with pytest.raises(SpecError, match=words):
        sweep(**fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"grid": {STEPS: [5, 5]}}, "a value stands there twice"),
        ({"random": {"n": 3, "ranges": {STEPS: {"choice": [1, 2]}}}}, "hardly more than 2 points"),
        ({"grid": {"optimisation.stepps": [1]}}, "stepps=1: unknown key 'optimisation.stepps'"),
        ({"grid": {STEPS: [10, -1]}}, "steps=-1: optimisation.steps"),
        ({"grid": {"data.path.x": [1]}}, "'path' holds a value"),
    ],
)
def test_a_point_that_is_wrong_is_named(fields, words):
    with pytest.raises(SpecError, match=words):
        sweep(**fields).jobs(BASE)
