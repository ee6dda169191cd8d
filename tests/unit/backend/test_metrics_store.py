"""Events go into the database once, and come out in few points."""

import json
import random

import pytest
from sqlalchemy import insert, select, update

from backend.metrics import ingest, read_levels, read_metrics
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
