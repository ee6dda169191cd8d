"""Ports, exposure and the demo, without a server."""

import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from jobs.protocol.errors import AccessError, ResourceError, SpecError
from studio.cli import launch
from studio.settings import Settings


@pytest.fixture
def taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_given_port_is_taken_or_refused(tmp_path: Path, taken: int):
    with launch.open_port(Settings(tmp_path, port=0)) as listener:
        assert listener.getsockname()[1] > 0
    with pytest.raises(ResourceError, match=f"Port {taken} is in use"):
        launch.open_port(Settings(tmp_path, port=taken))


def test_the_next_free_port_is_taken_and_said(tmp_path: Path, taken: int, monkeypatch, capsys):
    monkeypatch.setattr(launch, "FIRST_PORT", taken)
    with launch.open_port(Settings(tmp_path)) as listener:
        port = listener.getsockname()[1]
    assert taken < port < taken + launch.PORTS_TRIED
    assert f"takes {port}" in capsys.readouterr().out
    monkeypatch.setattr(launch, "PORTS_TRIED", 1)
    with pytest.raises(ResourceError, match="All ports"):
        launch.open_port(Settings(tmp_path))


def test_an_address_that_is_not_ours(tmp_path: Path):
    with pytest.raises(ResourceError):
        launch.open_port(Settings(tmp_path, host="192.0.2.1", port=0))
    with pytest.raises(ResourceError, match="no such address"):
        launch.open_port(Settings(tmp_path, host="no such host", port=0))


def test_what_others_can_reach_needs_a_token(tmp_path: Path):
    for host in ("127.0.0.1", "localhost", "::1"):
        launch.check_exposure(Settings(tmp_path, host=host))
    for host in ("0.0.0.0", "::", "192.168.1.5", "studio.lan"):
        with pytest.raises(AccessError, match="STUDIO_TOKEN"):
            launch.check_exposure(Settings(tmp_path, host=host))
    with pytest.raises(AccessError, match="12 characters"):
        launch.check_exposure(Settings(tmp_path, host="0.0.0.0", token="short"))
    launch.check_exposure(Settings(tmp_path, host="0.0.0.0", token="a-long-enough-token"))


class DemoStudio:
    """Counts what the demo starts."""

    def __init__(self, under_way: list):
        self.started: list = []
        model = SimpleNamespace(name=launch.DEMO_MODEL, problem="")
        recipe = SimpleNamespace(title="Sudoku", spec={"kind": "train"})
        self.models = SimpleNamespace(list=lambda: [model])
        self.sampling = SimpleNamespace(warm=self.started.append)
        self.training = SimpleNamespace(recipe=lambda name: recipe)
        self.jobs = SimpleNamespace(list=lambda **_: under_way, submit=self.started.append)


def test_the_demo_starts_one_training():
    studio = DemoStudio([])
    launch.start_demo(studio)  # type: ignore[arg-type]
    assert studio.started == [launch.DEMO_MODEL, {"kind": "train"}]
    studio = DemoStudio([SimpleNamespace(name="Sudoku")])
    launch.start_demo(studio)  # type: ignore[arg-type]
    assert studio.started == [launch.DEMO_MODEL]


def test_a_demo_that_cannot_start_stops_nothing(capsys):
    studio = DemoStudio([])

    def refuse(spec: dict) -> None:
        raise SpecError("no room")

    studio.jobs.submit = refuse
    launch.start_demo(studio)  # type: ignore[arg-type]
    assert "no room" in capsys.readouterr().err


def test_the_recipe_and_the_flags_are_real():
    from backend.services.places import ASSETS

    assert (ASSETS / "recipes" / f"{launch.DEMO_RECIPE}.yaml").is_file()
