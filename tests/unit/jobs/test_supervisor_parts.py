"""The supervisor's pieces that need no process."""

import ast
import os
import sys
from pathlib import Path

import pytest

import jobs.supervisor as supervisor
from jobs.executors import LocalExecutor
from jobs.executors.local import supervised
from jobs.protocol.errors import ResourceError
from jobs.protocol.folder import RunFolder, read_json, write_json
from tests.fakes.studio import train_spec


@pytest.fixture
def run(tmp_path):
    run = RunFolder.create(tmp_path / "runs", "train", train_spec())
    run.new_attempt()
    return run


def test_it_imports_only_the_standard_library_and_the_protocol():
    tree = ast.parse(Path(supervisor.__file__).read_text())
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.split(".")[0] in sys.stdlib_module_names or name.startswith(
                ("jobs.protocol.", "jobs.anchor")
            )


def test_the_lock(run):
    attempt = run.attempt(1)
    assert not supervised(attempt), "no lock file"
    fd = supervisor.take_lock(attempt.lock, seconds=0)
    assert fd is not None and supervised(attempt)
    assert supervisor.take_lock(attempt.lock, seconds=0) is None
    os.close(fd)
    assert not supervised(attempt)


def test_a_start_that_was_given_up_does_not_begin(run):
    executor = LocalExecutor()
    assert executor.abandon(run, 1)
    assert read_json(run.attempt(1).exit_json)["never_started"]
    assert not executor.abandon(run, 1)
    assert supervisor.main([str(run.path), "1", "--foreground"]) == 0, "a latecomer leaves"
    assert not run.attempt(1).log.exists()


def test_what_has_begun_is_not_given_up(run):
    attempt = run.attempt(1)
    fd = supervisor.take_lock(attempt.lock)
    assert not LocalExecutor().abandon(run, 1)
    os.close(fd)
    write_json(attempt.run_json, {"anchor": {"pid": 2}})
    assert not LocalExecutor().abandon(run, 1)


def test_last_lines(tmp_path):
    log = tmp_path / "log.txt"
    assert supervisor.last_lines(log) == []
    log.write_bytes(b"x" * 20_000 + b"\n" + b"".join(b"line %d\n" % i for i in range(100)) + b"\xff end")
    lines = supervisor.last_lines(log)
    assert len(lines) == 30 and lines[-1].endswith(" end") and lines[-2] == "line 99"


def test_a_checkpoint_that_goes_while_it_is_looked_at(run, monkeypatch):
    inner = run.checkpoints / "checkpoint-1" / "global_step1"
    inner.mkdir(parents=True)
    scandir = os.scandir

    def gone(path):
        if str(path) == str(inner):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return scandir(path)

    write_json(run.attempt(1).run_json, {"cookie": "c"})
    guardian = supervisor.Supervisor(run, run.attempt(1))
    assert guardian._saving()
    os.utime(inner, (0, 0))
    os.utime(inner.parent, (0, 0))
    monkeypatch.setattr(os, "scandir", gone)
    assert not guardian._saving()


def test_a_start_that_cannot_be_written_is_a_sentence(run):
    os.rmdir(run.attempt(1).path)
    with pytest.raises(ResourceError, match="cannot be written"):
        LocalExecutor().submit(run, 1, [])


def test_a_start_without_a_python_is_a_sentence(run):
    with pytest.raises(ResourceError, match="could not be started"):
        LocalExecutor(python="/nonexistent/python").submit(run, 1, [])


def test_another_boot_and_no_start_at_all(run):
    executor = LocalExecutor()
    live = executor.poll(run, 1)
    assert not live.started and not live.supervised and live.ended is None
    write_json(run.attempt(1).run_json, {"cookie": "c", "boot_id": "an earlier one"})
    live = executor.poll(run, 1)
    assert live.started and not live.same_boot and live.survivors == ()
    run.attempt(1).exit_json.write_text("")
    assert executor.poll(run, 1).ended is None, "what a power loss left broken counts as missing"


def test_a_stop_on_a_full_disk_still_stops(run, monkeypatch):
    def refuse(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jobs.protocol.folder.write_atomic", refuse)
    LocalExecutor().stop(run, 1, 5)
    assert run.attempt(1).stop_requested()
