"""The commands over a real home folder, with jobs that run inside the test instead of in processes."""

import json

import pytest

from jobs.protocol.errors import StudioError
from jobs.protocol.events import EventWriter
from jobs.protocol.folder import write_json


def broken(run, attempt):
    EventWriter(run.events, attempt.number).write(
        "error", text="Row 3 is broken.", failure="data", remedy="Mend it."
    )
    return 2


def test_run_and_wait(studio, spec):
    code, out, err = studio("run", spec, "--wait")
    assert code == 0 and out == "train-0001\n"
    assert "train-0001 succeeded" in err
    (job,) = json.loads(studio("jobs", "--json")[1])
    assert (job["id"], job["kind"], job["name"], job["state"]) == ("train-0001", "train", "tiny", "succeeded")
    assert job["metrics"] == {"loss": 0.25}


def test_a_job_that_fails_is_exit_code_1_with_reason_and_remedy(studio, spec, program):
    program["train"] = broken
    code, _, err = studio("run", spec, "--wait")
    assert code == 1
    assert "train-0001 failed. Row 3 is broken." in err and "Mend it." in err
    assert "Traceback" not in err


def test_an_estimate_starts_nothing(studio, spec):
    code, out, err = studio("run", spec, "--estimate")
    assert code == 0, err
    assert "Weights, of these trained: 8" in out and "Memory on each device, about: " in out
    code, _, err = studio("run", spec, "--estimate", "--set", "optimisation.batch_size=100000")
    assert code != 0 and "By estimate it needs" in err and "batch_size: 50000" in err
    assert json.loads(studio("jobs", "--json")[1]) == []


def test_a_probe_is_run_to_its_end_and_tells_what_it_measured(studio, spec, program):
    def measured(run, attempt):
        assert run.spec()["report"]["probe_of"] == 1000 and run.spec()["optimisation"]["steps"] == 3
        told = {"attempt": attempt.number, "status": "succeeded", "probe": "Probe: 7 MiB on each device."}
        write_json(run.result_json, told)
        return 0

    program["train"] = measured
    code, out, err = studio("run", spec, "--probe")
    assert code == 0, err
    assert out == "train-0001\nProbe: 7 MiB on each device.\n"


def test_without_wait_it_is_queued_and_says_who_will_start_it(studio, spec):
    code, out, err = studio("run", spec, "--set", "optimisation.steps=7", "--set", "name=seven")
    assert (code, out) == (0, "train-0001\n") and "studio launch" in err
    (job,) = json.loads(studio("jobs", "--json", "--state", "queued")[1])
    assert job["spec"]["optimisation"]["steps"] == 7 and job["name"] == "seven"
    code, _, err = studio("resume", "train-0001", "--wait")
    assert code == 0 and "succeeded" in err
    assert json.loads(studio("jobs", "--json", "--state", "queued")[1]) == []


def test_show_logs_stop_delete(studio, spec, studio_home):
    studio("run", spec, "--wait")
    code, out, _ = studio("show", "train-0001")
    assert code == 0 and "state      succeeded" in out and "loss 0.25" in out and "builder: sudoku" in out
    assert "jobs.programs.train" in out and "train-0001'" in out
    assert json.loads(studio("show", "train-0001", "--json")[1])["total"] == 20
    code, out, _ = studio("logs", "-f", "train-0001")
    assert out == "first line\nsecond \x1b[31mline\n"  # as it is, for a pipe
    assert "is succeeded" in studio("stop", "train-0001")[1]
    saved = studio_home / "runs" / "train-0001" / "checkpoints" / "checkpoint-5"
    saved.mkdir(parents=True)
    assert studio("delete", "train-0001", "--checkpoint", "5")[0] == 1 and saved.exists()
    _, _, err = studio("delete", "train-0001", "--checkpoint", "6")
    assert "no checkpoint of step 6" in err  # nobody is asked
    code, out, _ = studio("delete", "train-0001", "--checkpoint", "5", "--yes")
    assert code == 0 and "step 5 of train-0001 is deleted" in out and not saved.exists()
    assert studio("delete", "train-0001")[0] == 1  # nobody is there to say yes
    code, out, _ = studio("delete", "--yes", "train-0001")
    assert code == 0 and not (studio_home / "runs" / "train-0001").exists()
    assert "No jobs yet" in studio("jobs")[2]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "nothing.yaml"], "nothing.yaml: there is no such file."),
        (["run", "no-such-recipe"], "no-such-recipe"),
        (["run", "SPEC", "--set", "optimisation.stps=3"], "Did you mean 'steps'?"),
        (["run", "SPEC", "--set", "steps"], "write key=value"),
        (["show", "train-0099"], "There is no job 'train-0099'"),
        (["logs", "../../etc"], "There is no job"),
        (["sample", "nothing", "--prompt", "x"], "There is no model 'nothing'"),
        (["sample", "nothing"], "--prompt"),
        (["chat", "nothing"], "There is no model 'nothing'"),
    ],
)
def test_a_mistake_is_a_sentence_and_exit_code_2(studio, spec, words, sentence):
    code, out, err = studio(*(spec if word == "SPEC" else word for word in words))
    assert code == 2 and out == ""
    assert sentence in err and "Traceback" not in err
    assert all(line.startswith("studio: ") for line in err.splitlines())


def test_debug_shows_where(studio):
    code, _, err = studio("--debug", "show", "train-0099")
    assert code == 2 and "Traceback" in err and "JobError" in err


def test_our_own_mistake_is_said_plainly_too(studio, monkeypatch):
    def wrong(*_):
        raise ZeroDivisionError("one by nothing")

    monkeypatch.setattr("studio.cli.session.home_folder", wrong)
    code, _, err = studio("jobs")
    assert code == 70 and "ZeroDivisionError: one by nothing" in err and "Traceback" not in err


def test_home_flag_wins_over_the_environment(studio, spec, tmp_path, studio_home):
    other = tmp_path / "other"
    studio("run", spec, "--home", str(other))
    assert (other / "runs" / "train-0001" / "spec.json").exists() and not studio_home.exists()


def test_doctor_rebuilds_a_broken_database(studio, spec, studio_home):
    studio("run", spec, "--wait")
    (studio_home / "studio.db").write_bytes(b"not a database at all, but long enough to be looked at" * 200)
    for leftover in ("studio.db-wal", "studio.db-shm"):
        (studio_home / leftover).unlink(missing_ok=True)
    code, _, err = studio("jobs")
    assert code == 2 and "studio doctor --rebuild" in err
    code, out, _ = studio("doctor", "--rebuild")
    assert code == 0 and "1 job is listed again" in out
    assert "The damaged database is kept as studio.db.broken-" in out
    (job,) = json.loads(studio("jobs", "--json")[1])
    assert (job["id"], job["state"], job["metrics"]) == ("train-0001", "succeeded", {"loss": 0.25})


def test_doctor_does_not_rebuild_under_a_running_server(studio, studio_home):
    from backend.server_lock import ServerLock

    studio_home.mkdir()
    lock = ServerLock(studio_home)
    lock.acquire("http://127.0.0.1:7860")
    try:
        code, _, err = studio("doctor", "--rebuild")
    finally:
        lock.release()
    assert code == 2 and "http://127.0.0.1:7860" in err


def test_every_error_of_the_tree_is_told_in_one_way(studio, monkeypatch):
    def refuse(*_):
        raise StudioError("First this.\nThen that.")

    monkeypatch.setattr("studio.cli.session.home_folder", refuse)
    assert studio("models")[2] == "studio: First this.\nstudio: Then that.\n"
