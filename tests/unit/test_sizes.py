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


def sources() -> list[Path]:
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def long_functions(path: Path) -> dict[str, int]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {f"{name(path)}:{n.name}": (n.end_lineno or n.lineno) - n.lineno + 1 for n in functions}
    return {key: length for key, length in lengths.items() if length > FUNCTION_LINES}


@pytest.mark.parametrize("path", sources(), ids=name)
def test_files_and_functions_are_short(path: Path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= FILE_LINES or name(path) in LONG_FILES, f"{lines} lines; split it by what it does"
    too_long = {k: n for k, n in long_functions(path).items() if k not in LONG_FUNCTIONS}
    assert not too_long, f"over {FUNCTION_LINES} lines: {too_long}"
    assert path.stem not in FORBIDDEN, "name the file after what it does"


def test_no_exception_has_outlived_its_reason():
    assert all(len((ROOT / p).read_text().splitlines()) > FILE_LINES for p in LONG_FILES)
    still_long = {key for path in sources() for key in long_functions(path)}
    assert set(LONG_FUNCTIONS) <= still_long
    assert len(LONG_FILES) + len(LONG_FUNCTIONS) <= 6


def test_only_the_run_folder_knows_file_names():
    """One paths object: these names stand in jobs/protocol/folder.py and nowhere else in the code."""
    names = re.compile(
        r"""["'](spec|result|run|exit)\.json["']|["'](events|predictions)\.jsonl["']|"serve\.sock\""""
    )
    homes = [name(p) for p in sources() if not name(p).startswith("tests/") and names.search(p.read_text())]
    assert homes == ["jobs/protocol/folder.py"]
