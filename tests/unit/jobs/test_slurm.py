"""Jobs for Slurm, with stand-ins for its commands."""

import os
import time

import pytest

from jobs.executors import SlurmExecutor
from jobs.executors.slurm import GIVEN, job_name
from jobs.executors.slurm_queue import QueuedJob, SlurmError, SlurmQueue, parse
from jobs.executors.slurm_script import gres, script
from jobs.protocol.errors import SpecError
from jobs.protocol.folder import RunFolder, read_json, write_json
from jobs.specs.load import parse_spec
from tests.fakes.processes import until
from tests.fakes.slurm_commands import AWAY, SlurmCommands, facts
from tests.fakes.studio import train_spec

OLD = 3600.0  # seconds without a heartbeat


def spec_data(launcher="python", device="cpu", **slurm):
    return train_spec(launcher=launcher, device=device) | {"slurm": slurm}


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    commands = SlurmCommands(tmp_path / "bin")
    monkeypatch.setenv("PATH", commands.path)
    return commands


@pytest.fixture
def executor():
    return SlurmExecutor(queue_seconds=1e9)  # asked when a test says so


def given(executor, home, begun=False, silent=0.0, **options):
    """A run that was submitted, its attempt, and its name in Slurm."""
    run = RunFolder.create(home / "runs", "train", spec_data(**options))
    attempt = run.new_attempt()
    assert executor.submit(run, 1, [])
    if begun:
        facts(attempt.run_json, child={"pid": 1})
    age(attempt.run_json, silent)
    return run, attempt, job_name(run, read_json(attempt.run_json)["cookie"])


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


# --- the script ----

GOLDEN = """\
#!/bin/bash
# train-0001, attempt 1: the studio wrote this and gave it to sbatch.
#SBATCH --job-name=train-0001-abc
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --partition=gpu
#SBATCH --account=lab
#SBATCH --gres=gpu:a100:4
#SBATCH --cpus-per-task=8
#SBATCH --mem=64G
#SBATCH --time=1-00:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --chdir=/
#SBATCH --constraint=ib

run='/disk/it'"'"'s mine/runs/train-0001'
stop='/disk/it'"'"'s mine/runs/train-0001/attempts/1/stop'

# Asked to leave, by the time limit or by hand: the stop file makes the program save and leave.
leave() { [ -e "$stop" ] || : >"$stop"; }
limit=
trap leave TERM
trap 'limit=yes; leave' USR1

module load cuda
if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then
  /opt/env/bin/python -m jobs.executors.restart "$run" 1 "$SLURM_RESTART_COUNT"
fi
/opt/env/bin/python -m jobs.supervisor "$run" 1 --foreground &
supervisor=$!
while wait "$supervisor"; code=$?; kill -0 "$supervisor" 2>/dev/null; do
  :  # a signal came while it waited
done
if [ -n "$limit" ] && [ ! -s "$stop" ] && ! grep -qs '"status": "succeeded"' "$run/result.json"; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"""


def test_the_batch_script():
    asked = {"nodes": 2, "partition": "gpu", "account": "lab", "gres": "gpu:a100:4", "cpus": 8}
    asked |= {"memory": "64G", "time_limit": "1-00:00:00", "save_seconds": 300, "lines": ["--constraint=ib"]}
    asked |= {"setup": ["module load cuda"], "python": "/opt/env/bin/python", "at_time_limit": "requeue"}
    spec = parse_spec(spec_data("torchrun", "auto", **asked))
    run = RunFolder("/disk/it's mine/runs/train-0001")
    assert script(spec, spec.slurm, run, 1, "train-0001-abc", "/usr/bin/python3") == GOLDEN


@pytest.mark.parametrize(
    ("kind", "device", "asked", "wanted"),
    [
        ("train", "cuda", "", "gpu:1"),
        ("train", "auto", "", "gpu:1"),
        ("train", "auto", "gpu:h100:2", "gpu:h100:2"),
        ("train", "cpu", "", ""),
        ("convert", "auto", "", ""),
    ],
)
def test_gpus_are_asked_for_where_they_are_used(kind, device, asked, wanted):
    data = spec_data(device=device, gres=asked)
    if kind == "convert":
        data = {"kind": "convert", "source": "/m", "launcher": {"device": device}, "slurm": {"gres": asked}}
    spec = parse_spec(data)
    assert gres(spec, spec.slurm) == wanted


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"slurm": {"partition": "a b"}}, "slurm.partition: use letters"),
        ({"slurm": {"time_limit": "soon"}}, "slurm.time_limit: write minutes"),
        ({"slurm": {"lines": ["constraint=ib"]}}, "is no option of sbatch"),
        ({"slurm": {"lines": ["--x\n#SBATCH -A other"]}}, "is no option of sbatch"),
        ({"slurm": {"lines": ["--output=here"]}}, "--output is set by the studio"),
        ({"slurm": {"lines": ["-omine"]}}, "-o is set by the studio"),
        ({"slurm": {"lines": ["--exclusive --job-name=mine"]}}, "--job-name is set by the studio"),
        ({"slurm": {"lines": ["--comment='"]}}, "No closing quotation"),
        ({"slurm": {"setup": ["a\nb"]}}, "one shell line"),
        ({"slurm": {"host": "-oProxyCommand=x"}}, "slurm.host: write a host"),
        ({"slurm": {"nodes": 2}}, "set launcher.name to torchrun"),
        ({"slurm": {}, "launcher": {"name": "torchrun", "hosts": ["a", "b"]}}, "Slurm chooses the machines"),
        ({"slurm": {}, "kind": "serve"}, "runs on this machine"),
    ],
)
def test_settings_that_cannot_be(change, says):
    data = train_spec() | change
    if data["kind"] == "serve":
        data = {"kind": "serve", "slurm": {}}
    with pytest.raises(SpecError, match=says):
        parse_spec(data)


# --- giving it to Slurm ----


def test_submit_writes_a_script_and_gives_it_to_sbatch(slurm, executor, studio_home, monkeypatch):
    inherited = {
        "STUDIO_TOKEN": "secret",
        "SLURM_JOB_ID": "7",
        "CUDA_VISIBLE_DEVICES": "",
        "HF_TOKEN": "mine",
    }
    for name, value in {**inherited, "SLURM_CONF": "/etc/slurm.conf"}.items():
        monkeypatch.setenv(name, value)
    run, attempt, name = given(executor, studio_home, launcher="torchrun", nodes=2, cpus=4)
    output = f"--output={str(attempt.batch_log).replace('%', '%%')}"
    assert slurm.asked("sbatch") == [["--parsable", output, str(attempt.batch)]]
    assert executor.command(parse_spec(run.spec()), run)[0] == "sbatch"
    assert f"#SBATCH --job-name={name}" in attempt.batch.read_text()
    assert read_json(attempt.batch_json)["id"] == "12"
    command = read_json(attempt.run_json)["command"]
    assert command[:2] == ["srun", "--nodes=2"] and "--cpus-per-task=4" in command
    assert command[-3:] == [str(run.path), "1", "jobs.programs.train"]
    handed_on = slurm.environment("sbatch")
    assert handed_on["SLURM_CONF"] == "/etc/slurm.conf" and handed_on["HF_TOKEN"] == "mine"
    assert not {"STUDIO_TOKEN", "SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES"} & set(handed_on)


def test_through_a_login_node_every_word_arrives_whole(slurm, executor, studio_home):
    _, attempt, _ = given(executor, studio_home, host="me@login")
    words = slurm.asked("ssh")[0]
    assert "BatchMode=yes" in words and words[-2] == "me@login"
    assert slurm.asked("sbatch")[0][-1] == str(attempt.batch), "quotes, blanks and a dollar in its path"


def test_what_sbatch_refuses_is_told(slurm, executor, studio_home):
    slurm.fail("sbatch", "sbatch: error: invalid partition specified: nowhere")
    with pytest.raises(SlurmError, match="invalid partition specified: nowhere") as caught:
        given(executor, studio_home)
    assert not caught.value.away


def test_a_machine_without_slurm_is_told_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmError, match=r"no squeue here\. Install Slurm's commands, or name a login node"):
        SlurmQueue().run(["squeue"])


# --- following it ----


@pytest.mark.parametrize(
    ("state", "begun", "waiting"),
    [
        ("PENDING", False, "Waits in Slurm's queue as job 12 (Priority)."),
        ("REQUEUE_HOLD", True, "Waits in Slurm's queue as job 12 (Priority)."),
        ("RUNNING", True, None),
        ("COMPLETING", True, None),
        (None, False, GIVEN),
    ],
)
def test_what_slurm_has_is_followed(slurm, executor, studio_home, state, begun, waiting):
    run, _, name = given(executor, studio_home, begun)
    slurm.jobs(*([(name, state, "Priority")] if state else []))
    executor.queue("").ask()
    live = executor.poll(run, 1)
    assert (live.supervised, live.waiting, live.requeues) == (True, waiting, True)


def test_all_jobs_share_one_call_of_squeue(slurm, executor, studio_home):
    runs = [given(executor, studio_home)[0] for _ in range(5)]
    for _ in range(10):
        assert all(executor.poll(run, 1).supervised for run in runs)
    until(lambda: executor.queue("").look().taken, 5, "the answer")
    assert len(slurm.asked("squeue")) == 1


def test_while_slurm_does_not_answer_nothing_is_judged(slurm, executor, studio_home):
    run, attempt, _ = given(executor, studio_home, begun=True, silent=OLD)
    slurm.fail("squeue")
    assert executor.queue("").ask().problem
    live = executor.poll(run, 1)
    assert live.supervised and "does not answer" in live.waiting and AWAY in live.waiting
    assert not attempt.exit_json.exists() and not executor.abandon(run, 1)
    with pytest.raises(SlurmError, match="Unable to contact"):
        given(executor, studio_home)
    assert len(slurm.asked("sbatch")) == 1, "which would have waited for the controller too"
    write_json(attempt.exit_json, {"code": 0, "stopped": False})
    assert executor.poll(run, 1).ended["code"] == 0, "an end in the folder counts all the same"


def test_a_heartbeat_counts_more_than_a_queue_without_the_job(slurm, executor, studio_home):
    run, attempt, _ = given(executor, studio_home, begun=True)
    slurm.jobs()
    executor.queue("").ask()
    assert executor.poll(run, 1).supervised
    age(attempt.run_json, OLD)
    assert executor.poll(run, 1).ended["slurm"] == ""


def test_an_answer_from_before_the_job_says_nothing_about_it(slurm, executor, studio_home, monkeypatch):
    slurm.jobs()
    executor.queue("").ask()
    run, _, _ = given(executor, studio_home)
    now, wall = time.monotonic(), time.time()
    monkeypatch.setattr("time.monotonic", lambda: now + 40)  # squeue takes long
    monkeypatch.setattr("time.time", lambda: wall + 40)
    assert executor.poll(run, 1).supervised
    executor.queue("").ask()
    assert executor.poll(run, 1).ended["slurm"] == ""


@pytest.mark.parametrize("state", ["TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "CANCELLED"])
def test_an_end_that_only_slurm_knows_is_written_down(slurm, executor, studio_home, state):
    run, attempt, name = given(executor, studio_home, begun=True, silent=OLD)
    attempt.batch_log.write_text("slurmstepd: error\n")
    slurm.jobs((name, state, "None"))
    executor.queue("").ask()
    ended = executor.poll(run, 1).ended
    assert (ended["slurm"], ended["last_lines"]) == (state, ["slurmstepd: error"])
    assert read_json(attempt.exit_json) == ended, "Slurm forgets it in minutes"


def test_a_stop_of_slurm_is_the_end_only_when_slurm_has_no_more_of_it(slurm, executor, studio_home):
    run, attempt, name = given(executor, studio_home, begun=True)
    attempt.request_stop()
    write_json(attempt.exit_json, {"code": 0, "stopped": True})
    slurm.jobs()
    executor.queue("").ask()
    assert executor.poll(run, 1).ended is None, "the answer may be older than the end"
    for state in ("RUNNING", "COMPLETING", "PENDING"):
        slurm.jobs((name, state, "BeginTime"))
        executor.queue("").ask()
        assert executor.poll(run, 1).ended is None, state
    slurm.jobs((name, "COMPLETED", "None"))
    executor.queue("").ask()
    assert executor.poll(run, 1).ended["stop_reason"].startswith("Slurm asked it to stop")


# --- stopping and giving up ----


def test_a_stop_cancels_what_has_not_begun(slurm, executor, studio_home):
    run, attempt, name = given(executor, studio_home)
    slurm.fail("scancel")
    executor.stop(run, 1, 30)
    assert slurm.asked("scancel") == [["--state=PENDING", f"--name={name}"]]
    assert read_json(attempt.stop) == {"grace": 30}
    slurm.answer("scancel", "")
    slurm.jobs((name, "PENDING", "Priority"))
    executor.queue("").ask()
    executor.poll(run, 1)
    assert slurm.asked("scancel")[1:] == [["12"]], "tried again while it waits"
    slurm.jobs((name, "CANCELLED", "Priority"))
    executor.queue("").ask()
    ended = executor.poll(run, 1).ended
    assert ended["stopped"] and not ended["begun"]


def test_a_running_job_is_asked_and_cancelled_only_long_after_its_grace(slurm, executor, studio_home):
    run, attempt, name = given(executor, studio_home, begun=True)
    slurm.jobs((name, "RUNNING", "None"))
    executor.queue("").ask()
    executor.stop(run, 1, 30)
    executor.poll(run, 1)
    assert not slurm.asked("scancel")
    age(attempt.stop, 100)
    executor.poll(run, 1)
    assert slurm.asked("scancel") == [["12"]]


@pytest.mark.parametrize(("known", "given_up"), [(True, False), (False, True)])
def test_a_start_is_given_up_only_where_slurm_has_not_got_it(slurm, executor, studio_home, known, given_up):
    slurm.fail("sbatch")  # its answer was lost
    with pytest.raises(SlurmError):
        given(executor, studio_home)
    run = RunFolder(studio_home / "runs" / "train-0001")
    attempt = run.attempt(1)
    name = job_name(run, read_json(attempt.run_json)["cookie"])
    slurm.jobs(*([(name, "PENDING", "Priority")] if known else []))
    assert executor.abandon(run, 1) is given_up
    assert attempt.exit_json.exists() is given_up


def test_lines_of_squeue():
    text = "12|train-0001-abc|PENDING|Nodes required for job are DOWN|x\nrubbish\n"
    assert parse(text) == {"train-0001-abc": QueuedJob("12", "PENDING", "Nodes required for job are DOWN|x")}
