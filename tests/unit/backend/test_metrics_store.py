"""Events go into the database once, and come out in few points."""

import json
import random

import pytest
from sqlalchemy import insert, select, update

from backend import curves
from backend.curves import STRETCH, read_levels, read_metrics
from backend.metrics import ingest
from backend.store import Store
from backend.store.tables import jobs
from jobs.protocol.events import EventWriter
from jobs.protocol.folder import RunFolder
from tests.fakes.studio import train_spec


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path / "home" / "runs", "train", train_spec())


@pytest.fixture
def store(tmp_path, run):
    store = Store(tmp_path / "home")
    row = {"id": run.id, "kind": "train", "name": "", "state": "running", "spec": "{}", "device": "cpu"}
    with store.write() as conn:
        conn.execute(insert(jobs).values(row | {"processes": 1, "created_at": 0, "queued_at": 0}))
    yield store
    store.close()


def row_of(store, run):
    with store.read() as conn:
        return conn.execute(select(jobs).where(jobs.c.id == run.id)).one()


def test_the_row_follows_the_events(store, run):
    assert not ingest(store, run), "no file yet"
    events = EventWriter(run.events, 1)
    events.write("phase", text="training")
    events.write("progress", step=3, total=10, seconds_left=7.5)
    events.write("metrics", step=3, values={"loss": 2.5, "grad_norm": None})
    events.write("levels", step=3, loss=[None] * 8, count=[0] * 8)
    events.write("validation_levels", step=2, loss=[1.5] * 8, count=[4] * 8)
    events.write("error", text="no", failure="data", remedy="yes")
    assert ingest(store, run) and not ingest(store, run)
    row = row_of(store, run)
    assert (row.phase, row.step, row.total, row.seconds_left) == ("training", 3, 10, 7.5)
    assert json.loads(row.latest) == {"loss": 2.5}
    assert json.loads(row.error)["failure"] == "data"
    assert read_metrics(store, run.id) == {"loss": [[3, 2.5]]}
    assert read_levels(store, run.id) == [{"step": 3, "loss": [None] * 8, "count": [0] * 8}]
    held_out = read_levels(store, run.id, "validation_levels")
    assert held_out == [{"step": 2, "loss": [1.5] * 8, "count": [4] * 8}]


def test_a_half_written_line_waits(store, run):
    events = EventWriter(run.events, 1)
    events.write("metrics", step=1, values={"loss": 1.0})
    with open(run.events, "a") as file:
        file.write('{"event": "metrics", "step": 2, "val')
    ingest(store, run)
    assert len(read_metrics(store, run.id)["loss"]) == 1
    with open(run.events, "a") as file:
        file.write('ues": {"loss": 0.5}}\nnot json at all\n')
    ingest(store, run)
    assert read_metrics(store, run.id)["loss"] == [[1, 1.0], [2, 0.5]]


def test_reading_again_after_a_crash_changes_nothing(store, run):
    events = EventWriter(run.events, 1)
    for step in range(1, 50):
        events.write("metrics", step=step, values={"loss": 1 / step})
    ingest(store, run)
    before = read_metrics(store, run.id)
    with store.write() as conn:
        conn.execute(update(jobs).values(events_offset=0))
    ingest(store, run)
    assert read_metrics(store, run.id) == before


def test_a_resumed_attempt_replaces_the_steps_it_repeats(store, run):
    first, second = EventWriter(run.events, 1), EventWriter(run.events, 2)
    for step in range(1, 8):
        first.write("metrics", step=step, values={"loss": 100.0})
    for step in range(5, 10):
        second.write("metrics", step=step, values={"loss": 1.0})
    ingest(store, run)
    steps = dict(map(tuple, read_metrics(store, run.id)["loss"]))
    assert sorted(steps) == list(range(1, 10)) and steps[4] == 100.0 and steps[5] == 1.0


def test_long_curves_are_thinned_and_keep_their_peaks(store, run):
    rng = random.Random(0)
    with open(run.events, "w") as file:
        for step in range(1, 20_001):
            loss = 50.0 if step == 12_345 else rng.random()
            line = {"event": "metrics", "attempt": 1, "step": step, "values": {"loss": loss, "rate": step}}
            file.write(json.dumps(line) + "\n")
    ingest(store, run)
    curves = read_metrics(store, run.id, max_points=200)
    assert set(curves) == {"loss", "rate"}
    assert 100 <= len(curves["loss"]) <= 200
    assert [12_345, 50.0] in curves["loss"]
    assert curves["loss"] == sorted(curves["loss"])
    assert curves["rate"][0] == [1, 1] and curves["rate"][-1] == [20_000, 20_000]
    assert list(read_metrics(store, run.id, ["loss"])) == ["loss"]


def write_curve(run, values):
    """Append {step: value} as a metric."""
    with open(run.events, "a") as file:
        for step, value in values.items():
            line = {"event": "metrics", "attempt": 1, "step": step, "values": {"loss": value}}
            file.write(json.dumps(line) + "\n")


@pytest.mark.parametrize(
    ("first", "last"), [(None, None), (1000, 9000), (257, 8704), (128, 255), (100, 300), (0, 10**9)]
)
@pytest.mark.parametrize("direct", [0, curves.DIRECT])
def test_a_part_of_a_curve_has_its_own_peaks(store, run, monkeypatch, first, last, direct):
    """Read from summed up stretches or from all points: the extremes are those of the points."""
    monkeypatch.setattr(curves, "DIRECT", direct)
    rng = random.Random(1)
    values = {step: rng.random() for step in range(5, 10_000, 3)}
    half = dict(list(values.items())[:1500])
    write_curve(run, half)
    ingest(store, run)
    write_curve(run, {step: values[step] for step in values if step not in half})
    ingest(store, run)
    found = read_metrics(store, run.id, max_points=80, first=first, last=last)["loss"]
    inside = {s: v for s, v in values.items() if (first or 0) <= s <= (10**9 if last is None else last)}
    assert all(inside[step] == value for step, value in found)
    assert len(found) <= max(80, 2 + len(inside) // STRETCH) and found == sorted(found)
    assert {min(inside.values()), max(inside.values())} <= {value for _, value in found}


def test_a_view_that_holds_few_points_shows_them_all(store, run):
    write_curve(run, {step: step / 7 for step in range(0, 100_000, 1000)})
    ingest(store, run)
    assert len(read_metrics(store, run.id)["loss"]) == 100
    assert read_metrics(store, run.id, first=5000, last=7000)["loss"] == [
        [s, s / 7] for s in (5000, 6000, 7000)
    ]
    assert read_metrics(store, run.id, first=5001, last=5999) == {}


def test_stretches_follow_a_resumed_run(store, run, monkeypatch):
    monkeypatch.setattr(curves, "DIRECT", 0)
    write_curve(run, dict.fromkeys(range(4000), 9.0))
    ingest(store, run)
    write_curve(run, dict.fromkeys(range(1000, 2000), 1.0))  # steps of whole stretches come again
    ingest(store, run)
    write_curve(run, dict.fromkeys(range(2000, 4100), 2.0))
    ingest(store, run)
    found = dict(map(tuple, read_metrics(store, run.id, max_points=32)["loss"]))
    assert {found[step] for step in found if 1280 <= step < 1792} == {1.0}
    assert {found[step] for step in found if step >= 2048} == {2.0}
    assert {found[step] for step in found if step < 768} == {9.0}


def test_many_levels_are_thinned_and_end_with_the_last(store, run):
    with open(run.events, "w") as file:
        for step in range(1, 2001):
            file.write(
                json.dumps({"event": "levels", "step": step, "loss": [1.0] * 8, "count": [1] * 8}) + "\n"
            )
    ingest(store, run)
    found = read_levels(store, run.id)
    assert len(found) <= curves.MOST_LEVELS + 1 and found[-1]["step"] == 2000


def test_what_is_no_number_is_no_point(store, run):
    with open(run.events, "w") as file:
        file.write('{"event": "metrics", "step": 1, "values": {"loss": NaN, "rate": Infinity, "good": 1}}\n')
    ingest(store, run)
    assert read_metrics(store, run.id) == {"good": [[1, 1.0]]}
