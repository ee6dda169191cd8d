"""One job on two machines: here both are this one, and meet on loopback."""

import subprocess

import pytest

from jobs.executors import LocalExecutor
from jobs.protocol.folder import RunFolder, read_json
from tests.fakes.processes import until
from tests.fakes.programs import environment, events, free_port
from tests.fakes.studio import PROGRAMS, train_spec

pytestmark = pytest.mark.e2e


def test_the_studio_starts_its_part_and_says_what_to_start_elsewhere(studio_home):
    launcher = {
        "hosts": ["localhost", "the-other"],
        "rendezvous": f"localhost:{free_port()}",
        "device": "cpu",
    }
    spec = train_spec("steps=3", launcher="torchrun", **launcher)
    run = RunFolder.create(studio_home / "runs", "train", spec)
    attempt = run.new_attempt()
    executor = LocalExecutor(PROGRAMS)
    executor.submit(run, 1, ["cpu:0"])
    lines = attempt.launch.read_text().splitlines()
    assert attempt.log.read_text().startswith("\n".join(lines)), "the job's page shows it"
    assert lines[-2] == "# the-other" and executor.poll(run, 1).supervised
    assert not events(run, "phase"), "it waits for the other"
    other = subprocess.Popen(lines[-1], shell=True, env=environment(), stderr=subprocess.PIPE, text=True)
    ended = until(lambda: read_json(attempt.exit_json), 120, "the end of the job")
    assert ended["code"] == 0, ended["last_lines"]
    assert other.wait(30) == 0, other.stderr.read()
    assert [event["text"] for event in events(run, "phase")] == ["training in 2"], "rank 0 of two, once"
    assert read_json(run.result_json)["status"] == "succeeded"
