"""Small files, small functions, no drawers: the limits that keep a newcomer's afternoon short."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("jobs", "backend", "ui", "studio", "assets", "tests")
FILE_LINES = 400
FUNCTION_LINES = 60
FORBIDDEN = {"utils", "helpers", "manager", "common", "util", "misc"}

# path -> why it may be longer. Keep it short; an entry that is no longer needed fails.
LONG_FILES: dict[str, str] = {}
# "path:function" -> why
LONG_FUNCTIONS: dict[str, str] = {}


def sources(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms or ROOMS for path in (ROOT / room).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def long_functions(path: Path) -> dict[str, int]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {f"{name(path)}:{n.name}": (n.end_lineno or n.lineno) - n.lineno + 1 for n in functions}
    return {key: length for key, length in lengths.items() if length > FUNCTION_LINES}


def faults(path: Path) -> list[str]:
    """What is too long in a file, or wrong in its name, in words."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    too_long = lines > FILE_LINES and name(path) not in LONG_FILES
    found = [f"{name(path)}: {lines} lines; split it by what it does"] if too_long else []
    found += [f"{key}: {n} lines" for key, n in long_functions(path).items() if key not in LONG_FUNCTIONS]
    return found + ([f"{name(path)}: name it after what it does"] if path.stem in FORBIDDEN else [])


@pytest.mark.parametrize("room", ROOMS)
def test_files_and_functions_are_short(room: str):
    found = [fault for path in sources(room) for fault in faults(path)]
    assert not found, "\n".join(found)


def test_the_test_sees_what_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / "utils.py"
    path.write_text("def endless():\n" + "    pass\n" * FILE_LINES)
    assert [fault.split(":")[0] for fault in faults(path)] == ["utils.py"] * 3


def test_no_exception_has_outlived_its_reason():
    assert all(len((ROOT / p).read_text().splitlines()) > FILE_LINES for p in LONG_FILES)
    homes = {key.split(":")[0] for key in LONG_FUNCTIONS}
    still_long = {key for path in homes for key in long_functions(ROOT / path)}
    assert set(LONG_FUNCTIONS) <= still_long
    assert len(LONG_FILES) + len(LONG_FUNCTIONS) <= 6


def test_only_the_run_folder_knows_file_names():
    """One paths object: these names stand in jobs/protocol/folder.py and nowhere else in the code."""
    names = re.compile(
        r"""["'](spec|result|run|exit)\.json["']|["'](events|predictions)\.jsonl["']|"serve\.sock\""""
    )
    homes = [name(p) for p in sources() if not name(p).startswith("tests/") and names.search(p.read_text())]
    assert homes == ["jobs/protocol/folder.py"]
