"""What is installed elsewhere is what is tested here."""

import fnmatch
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def test_every_pin_is_exact_and_stands_once():
    assert all([s.operator for s in pin.specifier] == ["=="] for pin in PINS)
    names = [canonicalize_name(pin.name) for pin in PINS]
    assert len(names) == len(set(names))


def direct() -> list[Requirement]:
    project = PYPROJECT["project"]
    return [Requirement(r) for r in project["dependencies"] + project["optional-dependencies"]["dev"]]


@pytest.mark.parametrize("need", direct(), ids=lambda need: need.name)
def test_what_we_ask_for_is_pinned_within_the_range_we_ask_for(need: Requirement):
    pins = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in PINS}
    assert need.specifier.contains(pins[canonicalize_name(need.name)])


def tracked(*folders: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.split("\0") if name]


def test_every_file_of_the_packages_goes_into_the_wheel():
    """A page without its script, or a model without its tokenizer, would only be missed after installing."""
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["*"]
    left_out = [
        path
        for path in tracked("studio", "ui", "backend", "jobs", "assets")
        if not path.endswith(".py") and not any(fnmatch.fnmatch(Path(path).name, p) for p in patterns)
    ]
    assert not left_out


def test_no_large_file_is_kept():
    large = [name for name in tracked() if (ROOT / name).exists() and (ROOT / name).stat().st_size > 20e6]
    assert not large
