"""The supervisor and its executor with real processes and no database."""

import os
import signal
import time
from pathlib import Path

import pytest

from jobs.executors import LocalExecutor
from jobs.protocol.folder import RunFolder, read_json, write_json
from jobs.protocol.identity import ProcessIdentity
from tests.fakes.processes import facts, identity, living, until
from tests.fakes.studio import PROGRAMS, train_spec

pytestmark = pytest.mark.e2e
executor = LocalExecutor(PROGRAMS)


@pytest.fixture
def start(studio_home):
    runs = []

    def start(words, **options):
        run = RunFolder.create(studio_home / "runs", "train", train_spec(words, **options))
        runs.append(run)
        run.new_attempt()
        executor.submit(run, 1, ["cpu:0"])
        return run

    yield start
    for run in runs:
        for process in living(run):
            process.kill()


def ended(run, attempt=1, seconds=20):
    end = until(lambda: read_json(run.attempt(attempt).exit_json), seconds, "exit.json")
    until(lambda: not living(run), 5, "an empty tree")
    return end


def step_of(run):
    return (run.last_checkpoint() or run.path / "checkpoint-0").name.rsplit("-", 1)[1]


def test_a_good_end(start):
    run = start("steps=3")
    assert executor.poll(run, 1).supervised, "guarded as soon as submit returns"
    end = ended(run)
    assert (end["code"], end["signal"], end["stopped"], end["last_lines"]) == (0, None, False, ["begin at 0"])
    assert 0 < end["ended_at"] - end["started_at"] < 20
    assert read_json(run.result_json)["status"] == "succeeded"
    data = facts(run)
    assert data["devices"] == ["cpu:0"] and data["command"][-1] == str(run.path)
    assert run.attempt(1).run_json.stat().st_mode & 0o077 == 0 or run.path.stat().st_mode & 0o077 == 0


def test_exit_codes_signals_and_missing_programs(start, studio_home):
    assert ended(start("exit=7"))["code"] == 7
    end = ended(start("kill=11"))
    assert (end["code"], end["signal"]) == (None, 11)
    run = RunFolder.create(studio_home / "runs", "train", train_spec())
    run.new_attempt()
    LocalExecutor({"train": "no.such.module"}).submit(run, 1, [])
    end = ended(run)
    assert end["code"] == 1 and "no.such.module" in end["last_lines"][-1].replace("'", "")


def test_the_child_is_first_in_line_for_the_memory_killer(start):
    run = start("steps=400")
    child, guard = identity(run, "child"), identity(run, "supervisor")

    def score(pid: int) -> int:
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text())

    until(lambda: score(child.pid) == 500, what="the child's own score")
    assert score(guard.pid) < 500
    assert os.getsid(guard.pid) != os.getsid(0) and os.getsid(child.pid) == child.pid
    assert b"DLLM_STUDIO_COOKIE" not in Path(f"/proc/{guard.pid}/environ").read_bytes()


def test_stop_saves_and_leaves(start):
    run = start("steps=2000")
    until(run.last_checkpoint, what="a checkpoint")
    executor.stop(run, 1, 30)
    end = ended(run)
    assert end["stopped"] and end["code"] == 0
    assert read_json(run.result_json)["status"] == "stopped"


def test_a_deaf_program_is_killed(start):
    run = start("steps=2000 deaf=1 orphan=1")
    until(run.last_checkpoint)
    assert len(living(run)) == 4, "supervisor, anchor, trainer, orphan"
    write_json(run.attempt(1).stop, {"grace": 0.7, "term": 0.5})
    end = ended(run)
    assert end["stopped"] and end["signal"] == 9


def test_who_is_saving_is_not_interrupted(start):
    run = start("steps=2000 deaf=1 half=60")
    until(run.half_written, what="half a checkpoint")
    write_json(run.attempt(1).stop, {"grace": 0.15, "term": 0})
    asked = time.monotonic()
    assert ended(run)["signal"] == 9
    assert 1.4 < time.monotonic() - asked < 5, "ten times the grace, and not for ever"


def test_a_second_request_may_be_less_patient(start):
    run = start("steps=2000 deaf=1")
    until(run.last_checkpoint)
    executor.stop(run, 1, 1000)
    time.sleep(0.5)
    assert executor.poll(run, 1).supervised
    write_json(run.attempt(1).stop, {"grace": 0, "term": 0})
    assert ended(run)["signal"] == 9


def test_what_the_program_leaves_behind_is_swept(start):
    assert ended(start("steps=3 orphan=1"))["code"] == 0


def test_sigterm_to_the_supervisor_is_a_stop(start):
    run = start("steps=2000")
    until(run.last_checkpoint)
    identity(run, "supervisor").signal(signal.SIGTERM)
    assert ended(run)["stopped"] and read_json(run.result_json)["status"] == "stopped"


def test_a_second_supervisor_is_refused(start):
    run = start("steps=2000")
    with pytest.raises(Exception, match="guarded by another supervisor"):
        executor.adopt(run, 1)


def test_a_living_tree_is_adopted_and_its_success_recorded(start):
    run = start("steps=60 pause=0.03")
    guard = identity(run, "supervisor")
    guard.kill()
    live = until(lambda: (found := executor.poll(run, 1)).survivors and found)
    assert not live.supervised and live.ended is None
    assert {p.pid for p in live.survivors} == {identity(run, name).pid for name in ("anchor", "child")}
    executor.adopt(run, 1)
    assert executor.poll(run, 1).supervised
    until(lambda: identity(run, "supervisor") != guard)
    end = ended(run)
    assert end["adopted"] and end["code"] == 0 and read_json(run.result_json)["status"] == "succeeded"


def test_an_adopted_tree_can_be_stopped_and_killed(start):
    run = start("steps=2000 deaf=1 orphan=1")
    until(run.last_checkpoint)
    identity(run, "supervisor").kill()
    until(lambda: executor.poll(run, 1).survivors)
    executor.adopt(run, 1)
    write_json(run.attempt(1).stop, {"grace": 0.4, "term": 0.3})
    end = ended(run)
    assert end["adopted"] and end["stopped"] and end["signal"] == 9


def test_a_stranger_with_the_same_pid_is_not_touched(start):
    run = start("steps=2000")
    child = identity(run, "child")
    stranger = ProcessIdentity(child.pid, child.start_ticks + 1, child.boot_id)
    assert not stranger.is_alive() and not stranger.kill() and child.is_alive()
    assert not ProcessIdentity(child.pid, child.start_ticks, "another boot").kill() and child.is_alive()
