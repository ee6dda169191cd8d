"""One cluster for all tests, and a studio whose Slurm jobs go there."""

import os

import pytest

from jobs.executors import LocalExecutor, RoutedExecutor, SlurmExecutor
from tests.fakes.slurm_cluster import SlurmCluster, missing
from tests.fakes.studio import PROGRAMS, make_studio


@pytest.fixture(scope="session")
def running_cluster(tmp_path_factory):
    if lacking := missing():
        text = f"no {', '.join(lacking)} here; Debian: apt-get install slurm-wlm munge"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    with SlurmCluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running_cluster, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", running_cluster.environment["SLURM_CONF"])
    yield running_cluster
    if "slurmctld" not in running_cluster.daemons:
        running_cluster.start_controller()


@pytest.fixture
def make(studio_home, cluster):
    """Makes studios whose programs are given; all are closed and their jobs cancelled."""
    made = []

    def make(programs=None):
        slurm = SlurmExecutor(programs, queue_seconds=0.3, heartbeat_seconds=8)
        made.append(make_studio(studio_home, RoutedExecutor(LocalExecutor(programs), slurm)))
        made[-1].start()
        return made[-1]

    yield make
    for studio in made:
        studio.close()
    names = cluster.ask("squeue", "-h", "--format=%i").split()
    if names:
        cluster.ask("scancel", "--signal=KILL", "--full", *names)
        cluster.ask("scancel", *names)


@pytest.fixture
def studio(make):
    """With the fake trainer."""
    return make(PROGRAMS)
