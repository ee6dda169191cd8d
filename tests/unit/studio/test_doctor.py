"""The doctor on sick machines."""

import json
import shutil
import socket
import subprocess
import sys
from collections import namedtuple

import pytest

from jobs.protocol.errors import ResourceError
from studio.cli import checks
from studio.cli import main as front
from studio.cli.checks import OK, WARNING, WRONG, Finding


def test_this_installation_is_sound(studio_home):
    findings = list(checks.packages(studio_home))
    assert [f.state for f in findings] == [OK], findings
    assert "torch 2" in findings[0].text and "gradio" in findings[0].text


def test_missing_and_outdated_packages_are_named_with_the_remedy(studio_home, monkeypatch):
    from importlib import metadata

    needs = ["rich>=999", "no-such-thing>=1", 'for-others; sys_platform == "plan9"', 'pytest; extra == "dev"']
    monkeypatch.setattr(metadata, "requires", lambda _: needs)
    old, missing, _ = checks.packages(studio_home)
    assert old.state == WRONG and "needed is >=999" in old.text and "pip install" in old.mend
    assert missing.state == WRONG and missing.text == "no-such-thing is not installed"


@pytest.mark.parametrize(
    ("gpus", "answer", "state"),
    [
        ([], '{"version": "2.13.0", "built_for": null, "gpus": 0}', OK),
        (["cuda:0"], '{"version": "2.13.0", "built_for": "12.8", "gpus": 1}', OK),
        (["cuda:0"], '{"version": "2.13.0", "built_for": null, "gpus": 0}', WRONG),
        ([], "", WRONG),
    ],
)
def test_torch_is_asked_in_a_process_of_its_own(studio_home, monkeypatch, gpus, answer, state):
    Gpu = namedtuple("Gpu", "id label")
    monkeypatch.setattr("backend.devices.gpus", lambda: [Gpu(name, "H100") for name in gpus])
    done = subprocess.CompletedProcess([], 0, stdout=answer, stderr="")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert [f.state for f in checks.machine(studio_home) if f.subject == "torch"] == [state]


def test_what_deepspeed_lacks_is_a_warning(studio_home, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    (finding,) = checks.compiler(studio_home)
    assert finding.state == WARNING and "g++, ninja" in finding.text and "apt-get" in finding.mend


@pytest.mark.parametrize(("free", "state"), [(4e11, OK), (2e9, WARNING), (1e8, WRONG)])
def test_disk(studio_home, monkeypatch, free, state):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(free))
    (finding,) = checks.disk(studio_home)
    assert finding.state == state and "free for" in finding.text


def test_a_port_that_is_taken_is_told(studio_home):
    studio_home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (studio_home / "settings.toml").write_text(f"port = {port}\n")
        (finding,) = checks.server(studio_home)
        assert finding.state == WARNING and str(port) in finding.text
    (finding,) = checks.server(studio_home)
    assert finding.state == OK


def test_a_home_with_a_broken_model_is_told(studio_home):
    (studio_home / "models" / "half").mkdir(parents=True)
    (studio_home / "models" / "half" / "config.json").write_text("{")
    findings = list(checks.records(studio_home))
    assert any(f.subject == "model" and f.state == WARNING and "half" in f.text for f in findings)


def test_one_broken_check_does_not_silence_the_others(studio_home, monkeypatch):
    def refuses(home):
        yield Finding("a", OK, "fine so far")
        raise ResourceError("The disk is full.")

    def breaks(home):
        raise ZeroDivisionError("oh")
        yield

    def works(home):
        yield Finding("c", OK, "fine")

    monkeypatch.setattr(checks, "CHECKS", {"a": refuses, "b": breaks, "c": works})
    texts = [f.text for f in checks.examine(studio_home)]
    assert texts == [
        "fine so far",
        "The disk is full.",
        "the check itself failed (ZeroDivisionError: oh)",
        "fine",
    ]


@pytest.mark.parametrize(("state", "code"), [(OK, 0), (WARNING, 0), (WRONG, 1)])
def test_the_exit_code_tells_whether_something_is_wrong(monkeypatch, capsys, state, code):
    monkeypatch.setattr(checks, "CHECKS", {"x": lambda home: iter([Finding("x", state, "text", "mend it")])})
    for words in (["doctor"], ["doctor", "--json"]):
        monkeypatch.setattr(sys, "argv", ["studio", *words])
        with pytest.raises(SystemExit) as left:
            front.main()
        assert (left.value.code or 0) == code
        out = capsys.readouterr().out
        assert "mend it" in out
    assert json.loads(out) == [{"subject": "x", "state": state, "text": "text", "mend": "mend it"}]


def test_a_database_that_is_only_busy_is_left_where_it_is(studio, spec, studio_home, monkeypatch):
    studio("run", spec)

    def busy(self, only_if_empty=False):
        raise ResourceError("The database was kept busy for 30 s elsewhere. Try again.")

    monkeypatch.setattr("backend.services.jobs.JobService.rebuild", busy)
    code, _, err = studio("doctor", "--rebuild")
    assert code == 2 and "Try again" in err
    assert not list(studio_home.glob("*.broken-*")) and len(json.loads(studio("jobs", "--json")[1])) == 1
