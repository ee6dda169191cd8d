"""The one table of settings: taken from the flag, STUDIO_<NAME>, the home's settings.toml, or the default."""

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.protocol.errors import AccessError, SpecError

SETTINGS_FILE = "settings.toml"
TOKEN_FILE = "token"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::")


@dataclass(frozen=True)
class Setting:
    """One setting. `kind` is path, text, port, flag, number or list; `stored`: may stand in settings.toml."""

    kind: str
    default: Any
    help: str
    stored: bool = True


SETTINGS: dict[str, Setting] = {
    "home": Setting(
        "path", Path("~/.dllm-studio"), "Folder with your runs, models and data sets", stored=False
    ),
    "host": Setting("text", "127.0.0.1", "Address to listen on; any but loopback needs a token"),
    "port": Setting("port", None, "Port to listen on; without one, the first free one from 7860"),
    "token": Setting("text", None, "What a browser or a program must show to be let in", stored=False),
    "allowed_hosts": Setting("list", (), "Further host names by which this server may be called"),
    "open_browser": Setting("flag", True, "Open the page in a browser after the start"),
    "headless": Setting("flag", False, "Serve the API only, without the page"),
    "demo": Setting("flag", False, "Start a small training and open the playground", stored=False),
    "idle_seconds": Setting("number", 900, "The playground's model leaves memory after so long without use"),
    "max_upload_mb": Setting("number", 512, "Largest file that a browser may send, in MB"),
}


@dataclass(frozen=True)
class Settings:
    """The settings of one start. See SETTINGS for what each means."""

    home: Path
    host: str = "127.0.0.1"
    port: int | None = None
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    open_browser: bool = True
    headless: bool = False
    demo: bool = False
    idle_seconds: int = 900
    max_upload_mb: int = 512

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the server."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port or 7860}"


def load(flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in force. Flags that are None were not given.

    Raises: SpecError for an unknown or wrong setting, AccessError for a token file that others can read.
    """
    environ = os.environ if environ is None else environ
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    home = _pick_home(given, environ)
    values: dict[str, Any] = {name: setting.default for name, setting in SETTINGS.items()}
    values |= _from_file(home / SETTINGS_FILE)
    for name, setting in SETTINGS.items():
        variable = f"STUDIO_{name.upper()}"
        if environ.get(variable):
            values[name] = _convert(setting.kind, environ[variable], variable)
    for name, value in given.items():
        values[name] = _convert(SETTINGS[name].kind, value, "--" + name.replace("_", "-"))
    values["home"] = home
    values["token"] = values["token"] or _token_file(home / TOKEN_FILE)
    token = values["token"]
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise SpecError("the token holds characters that no browser sends; use letters, digits and signs.")
    return Settings(**values)


def _pick_home(given: Mapping[str, Any], environ: Mapping[str, str]) -> Path:
    home = given.get("home") or environ.get("STUDIO_HOME") or SETTINGS["home"].default
    return Path(os.path.abspath(Path(home).expanduser()))


def _from_file(path: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SpecError(f"{path} cannot be read: {error}.") from None
    known = [name for name, setting in SETTINGS.items() if setting.stored]
    values = {}
    for name, value in data.items():
        if name == "token":
            raise SpecError(f"{path}: a token does not belong here; write it to {path.parent / TOKEN_FILE}.")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
            raise SpecError(f"{path}: unknown setting {name!r}. {hint}")
        values[name] = _convert(SETTINGS[name].kind, value, f"{path}: {name}")
    return values


def _token_file(path: Path) -> str | None:
    try:
        mode = path.stat().st_mode
        token = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise AccessError(f"{path} cannot be read: {error}.") from None
    if mode & 0o077:
        raise AccessError(f"{path} can be read by others; run: chmod 600 '{path}'.")
    return token or None


def _convert(kind: str, value: Any, where: str) -> Any:
    try:
        return CONVERT[kind](value)
    except (ValueError, TypeError) as error:
        raise SpecError(f"{where}: {error} (given: {value!r}).") from None


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word not in ("1", "0", "true", "false", "yes", "no", "on", "off"):
        raise ValueError("must be true or false")
    return word in ("1", "true", "yes", "on")


def _number(value: Any) -> int:
    if isinstance(value, bool) or not str(value).isdecimal() or int(value) < 1:
        raise ValueError("must be a whole number of at least 1")
    return int(value)


def _port(value: Any) -> int:
    if isinstance(value, bool) or not str(value).isdecimal() or int(value) > 65535:
        raise ValueError("must be a port number from 0 to 65535; 0 takes any free one")
    return int(value)


def _list(value: Any) -> tuple[str, ...]:
    words = value.split(",") if isinstance(value, str) else value
    return tuple(word.strip() for word in words if word.strip())


CONVERT = {"path": Path, "text": str, "port": _port, "flag": _flag, "number": _number, "list": _list}
