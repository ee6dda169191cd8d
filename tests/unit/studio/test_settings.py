"""The one table of settings: where each value comes from, and what a wrong one says."""

import dataclasses
from pathlib import Path

import pytest

from jobs.protocol.errors import AccessError, SpecError, StudioError
from studio.settings import CONVERT, SETTINGS, Settings, load


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def test_the_table_and_the_class_are_the_same():
    assert list(SETTINGS) == [field.name for field in dataclasses.fields(Settings)]
    for name, setting in SETTINGS.items():
        assert setting.kind in CONVERT and setting.help
        defaults = {field.name: field.default for field in dataclasses.fields(Settings)}
        assert name == "home" or defaults[name] == setting.default


def test_flag_over_environment_over_file_over_default(home: Path):
    assert load({"home": home}, {}).port is None
    (home / "settings.toml").write_text("port = 1\nidle_seconds = 5\nallowed_hosts = ['a', 'b']\n")
    assert load({"home": home}, {}).port == 1
    assert load({"home": home}, {"STUDIO_PORT": "2"}).port == 2
    settings = load({"home": home, "port": 3, "host": None}, {"STUDIO_PORT": "2"})
    assert settings.port == 3 and settings.idle_seconds == 5 and settings.allowed_hosts == ("a", "b")
    assert settings.host == "127.0.0.1"


def test_the_home(home: Path):
    assert load({}, {"STUDIO_HOME": str(home)}).home == home
    assert load({"home": home / "x"}, {"STUDIO_HOME": str(home)}).home == home / "x"
    assert load({}, {}).home == Path("~/.dllm-studio").expanduser()
    assert load({"home": Path("x")}, {}).home.is_absolute()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prot = 1", "Did you mean 'port'"),
        ("port = 'abc'", "0 to 65535"),
        ("port = 99999", "0 to 65535"),
        ("port = true", "0 to 65535"),
        ("idle_seconds = 0", "at least 1"),
        ("headless = 'maybe'", "true or false"),
        ("token = 'x'", "does not belong here"),
        ("home = '/x'", "unknown setting 'home'"),
        ("port = = 1", "cannot be read"),
    ],
)
def test_a_wrong_file_is_named(home: Path, text: str, says: str):
    (home / "settings.toml").write_text(text)
    with pytest.raises(SpecError) as caught:
        load({"home": home}, {})
    assert says in str(caught.value) and "settings.toml" in str(caught.value)


def test_a_wrong_variable_is_named(home: Path):
    with pytest.raises(SpecError, match="STUDIO_PORT"):
        load({"home": home}, {"STUDIO_PORT": "x"})


def test_where_a_token_comes_from(home: Path):
    file = home / "token"
    file.write_text("from-the-file\n")
    file.chmod(0o644)
    with pytest.raises(AccessError, match="chmod 600"):
        load({"home": home}, {})
    file.chmod(0o600)
    assert load({"home": home}, {}).token == "from-the-file"
    assert load({"home": home}, {"STUDIO_TOKEN": "from-outside"}).token == "from-outside"
    assert load({"home": home, "token": "flag"}, {"STUDIO_TOKEN": "from-outside"}).token == "flag"
    for wrong in ("with blank", "ünicode", "new\nline"):
        with pytest.raises(SpecError, match="token"):
            load({"home": home, "token": wrong}, {})


def test_addresses(home: Path):
    assert Settings(home, port=80).url == "http://127.0.0.1:80"
    assert Settings(home, host="0.0.0.0", port=80).url == "http://127.0.0.1:80"
    assert Settings(home, host="::1", port=80).url == "http://[::1]:80"
    assert Settings(home, host="localhost").loopback and not Settings(home, host="0.0.0.0").loopback


def test_every_mistake_is_one_that_a_person_can_mend(home: Path):
    (home / "settings.toml").mkdir()
    with pytest.raises(StudioError):
        load({"home": home}, {})
