"""The anchor between supervisor and program: either may be killed; nothing gets away, no end is unknown."""

import subprocess
import sys
import time

import pytest

import jobs.supervisor as supervisor
from jobs.executors import LocalExecutor
from jobs.protocol.errors import ResourceError
from jobs.protocol.folder import RunFolder, read_json, write_json
from jobs.protocol.identity import ProcessIdentity
from tests.fakes.processes import facts, identity, living, until
from tests.fakes.studio import PROGRAMS, train_spec
from tests.fakes.witness import heard

pytestmark = pytest.mark.e2e
executor = LocalExecutor(PROGRAMS)


@pytest.fixture
def start(studio_home):
    runs = []

    def start(words):
        run = RunFolder.create(studio_home / "runs", "train", train_spec(f"{words} watched=1"))
        runs.append(run)
        run.new_attempt()
        executor.submit(run, 1, ["cpu:0"])
        facts(run)
        return run

    yield start
    for run in runs:
        for process in living(run):
            process.kill()


def ended(run):
    """exit.json, with nothing left that the program ever told of."""
    end = until(lambda: read_json(run.attempt(1).exit_json), 20, "exit.json")
    told = [ProcessIdentity.from_dict(t["process"]) for t in heard(run.path.parents[1])]
    until(lambda: not living(run) and not any(process.is_alive() for process in told), 5, "an empty tree")
    return end


def escaped(run):
    """The grandchild without an environment."""
    told = until(lambda: [t for t in heard(run.path.parents[1]) if t.get("escaped")], 10, "an escape")
    return ProcessIdentity.from_dict(told[0]["process"])


def test_the_exit_code_is_known_though_the_supervisor_was_killed(start):
    run = start("steps=60 exit=7 at=50")
    identity(run, "supervisor").kill()
    until(lambda: executor.poll(run, 1).survivors)
    executor.adopt(run, 1)
    end = ended(run)
    assert (end["code"], end["adopted"]) == (7, True)


def test_it_is_known_though_the_program_ended_while_nobody_guarded(start):
    run = start("steps=20 exit=7 at=10")
    identity(run, "supervisor").kill()
    until(lambda: not identity(run, "child").is_alive())
    live = executor.poll(run, 1)
    assert [p.pid for p in live.survivors] == [identity(run, "anchor").pid] and live.ended is None
    executor.adopt(run, 1)
    assert ended(run)["code"] == 7


def test_it_is_known_though_the_anchor_was_killed(start):
    run = start("steps=60 exit=7 at=50")
    identity(run, "anchor").kill()
    end = ended(run)
    assert (end["code"], end["adopted"]) == (7, False)


def test_it_is_known_though_the_supervisor_was_killed_before_it_could_write_it_down(start):
    run = start("steps=20 exit=7 at=10")
    assert ended(run)["code"] == 7
    run.attempt(1).exit_json.unlink()
    live = until(lambda: (found := executor.poll(run, 1)).untold and found)
    assert live.needs_guardian and not live.survivors
    executor.adopt(run, 1)
    assert ended(run)["code"] == 7 and not executor.poll(run, 1).untold


def test_a_grandchild_without_an_environment_does_not_get_away(start):
    run = start("steps=20 escape=1")
    grandchild = escaped(run)
    assert ended(run)["code"] == 0 and not grandchild.is_alive()


def test_not_even_when_both_guardians_are_killed(start):
    run = start("steps=100000 escape=1")
    grandchild = escaped(run)
    until(lambda: grandchild.to_dict() in facts(run).get("strays", []), 5, "it was seen")
    for name in ("supervisor", "anchor", "child"):
        identity(run, name).kill()
    live = until(lambda: (found := executor.poll(run, 1)).survivors and found)
    assert grandchild in live.survivors
    executor.adopt(run, 1)
    assert ended(run)["code"] is None and not grandchild.is_alive()


def test_nothing_is_started_that_run_json_does_not_name(tmp_path):
    mark = tmp_path / "mark"
    argv = [sys.executable, supervisor.ANCHOR, sys.executable, "-c", f"open({str(mark)!r}, 'w')"]
    assert subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=20, check=False).returncode == 0
    time.sleep(0.2)
    assert not mark.exists()


def test_a_second_guardian_leaves_the_log_alone(start):
    run = start("steps=100000")
    with pytest.raises(ResourceError, match="guarded by another supervisor"):
        executor.adopt(run, 1)
    write_json(run.attempt(1).stop, {"grace": 5})
    assert ended(run)["stopped"]
    lines = run.attempt(1).log.read_text().splitlines()
    assert lines == ["begin at 0", *(f"line {n}" for n in range(1, len(lines)))]
