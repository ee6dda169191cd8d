"""Disks that are full or may not be written, on real small file systems."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.scheduler import Scheduler
from jobs.launch import source_root
from jobs.protocol.errors import ResourceError
from jobs.protocol.states import State
from tests.fakes.processes import living, until
from tests.fakes.studio import make_studio, train_spec

pytestmark = pytest.mark.chaos
MEGABYTES = 8


@pytest.fixture
def mount(tmp_path):
    """mount(*arguments): as `mount` on the command line; undone after the test."""
    points = []

    def mount(*arguments):
        done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
        if done.returncode:
            assert not os.environ.get("CI"), f"CI must be able to mount: {done.stderr}"
            pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
        points.append(arguments[-1])

    yield mount
    for point in reversed(points):
        subprocess.run(["umount", "--lazy", str(point)], check=True)


@pytest.fixture
def small(mount, studio_home):
    """A home on a disk of its own, of a few megabytes."""
    studio_home.mkdir()
    mount("-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", studio_home)
    return studio_home


def end(studio):
    for job in studio.jobs.list():
        for process in living(studio.jobs.folder(job.id)):
            process.kill()


def fill(home: Path) -> Path:
    """A file that takes the last byte."""
    path = home / "filler"
    with open(path, "wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return path


def test_a_disk_that_fills_up_fails_a_job_in_words_and_it_resumes(small):
    with make_studio(small) as studio:
        studio.start()
        job = studio.jobs.submit(train_spec("steps=100000"))
        run = studio.jobs.folder(job.id)
        until(run.last_checkpoint)
        filler = fill(small)
        until(lambda: len(living(run)) == 1, 20, "the program has died of it, its supervisor waits")
        with pytest.raises(ResourceError, match="full|No space"):
            studio.jobs.submit(train_spec())
        assert sorted(p.name for p in studio.runs.glob("train-*")) == [job.id]
        filler.unlink()
        job = studio.jobs.wait(job.id, 30)
        assert (job.state, job.failure, job.resumable) == (State.FAILED, "resource", True), job
        assert "disk is full" in job.reason and job.devices == []
        until(lambda: studio.trouble is None, 15)
        last = run.last_checkpoint().name
        studio.jobs.resume(job.id)
        until(lambda: (studio.jobs.get(job.id).step or 0) > int(last[11:]) + 5, 30)
        assert studio.jobs.log(job.id)[0].startswith(f"begin at {last[11:]}\n")
        studio.jobs.stop(job.id, grace=1)
        assert studio.jobs.wait(job.id, 20).state == State.STOPPED
        end(studio)


def test_a_home_that_is_read_only_is_told_in_a_sentence(mount, studio_home):
    with make_studio(studio_home):
        pass
    mount("--bind", studio_home, studio_home)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(studio_home)], check=True)
    with pytest.raises(ResourceError, match=r"cannot be written \(Read-only file system\)"):
        make_studio(studio_home)
    argv = [sys.executable, "-m", "studio.cli.main", "jobs", "--home", str(studio_home)]
    done = subprocess.run(argv, cwd=source_root(), capture_output=True, text=True, check=False)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode and "Read-only file system" in said and "Traceback" not in said, said


def test_runs_that_are_read_only_fail_a_start_in_words(mount, studio_home):
    with make_studio(studio_home) as studio:
        queued = studio.jobs.submit(train_spec("steps=2"))
        mount("--bind", studio.runs, studio.runs)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(studio.runs)], check=True)
        with pytest.raises(ResourceError, match="Read-only file system"):
            studio.jobs.submit(train_spec())
        Scheduler(studio.store, studio.runs, studio.executor).tick()
        job = studio.jobs.get(queued.id)
        assert (job.state, job.failure, job.devices) == (State.FAILED, "resource", []), job
        assert "Read-only file system" in job.reason
