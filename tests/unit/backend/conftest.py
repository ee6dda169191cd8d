"""What tests of the queue have in common. Files with other needs have a `studio` of their own."""

import pytest

from backend.reconciler import Reconciler
from backend.scheduler import Scheduler
from jobs.executors import InlineExecutor
from tests.fakes.queue import Clock, program
from tests.fakes.studio import make_studio


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def trains():
    """What a job of kind train does."""
    return program


@pytest.fixture
def studio(studio_home, trains):
    with make_studio(studio_home, executor=InlineExecutor({"train": trains}), cpu=8) as studio:
        yield studio


@pytest.fixture
def carry_out(studio, clock):
    """One pass of scheduler and reconciler; returns how many jobs were started."""
    scheduler = Scheduler(studio.store, studio.runs, studio.executor, clock=clock)
    reconciler = Reconciler(studio.store, studio.runs, studio.executor, clock=clock)

    def carry_out():
        started = scheduler.tick()
        reconciler.tick()
        return started

    return carry_out
