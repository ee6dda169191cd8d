"""Several schedulers at once, without a lease: every job is claimed once, no device twice."""

import subprocess
import sys

import pytest

from jobs.launch import source_root
from jobs.protocol.states import State
from tests.fakes.studio import make_studio, train_spec

pytestmark = pytest.mark.e2e
PROCESSES, JOBS = 4, 40


def test_no_job_is_claimed_twice(studio_home):
    with make_studio(studio_home) as studio:
        ids = [studio.jobs.submit(train_spec()).id for _ in range(JOBS)]
        argv = [sys.executable, "-m", "tests.fakes.claimer", str(studio_home), str(JOBS)]
        claimers = [
            subprocess.Popen(argv, cwd=source_root(), stdout=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        outputs = [claimer.communicate(timeout=60)[0] for claimer in claimers]
        assert [claimer.returncode for claimer in claimers] == [0] * PROCESSES
        claimed = [line.split()[0] for output in outputs for line in output.splitlines()]
        assert sorted(claimed) == sorted(ids)
        assert {job.state for job in studio.jobs.list()} == {State.FAILED}
        assert all(device["job"] is None for device in studio.jobs.devices())
