"""The docs say what is so: links resolve, commands and registries are named, generated pages are current."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "assets").rglob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_resolves(page: Path):
    targets = [link.split("#")[0] for link in LINK.findall(page.read_text(encoding="utf-8"))]
    broken = [t for t in targets if t and "://" not in t and not (page.parent / t).exists()]
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_to_a_heading_has_one(page: Path):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        if not anchor or "://" in link:
            continue
        text = (page.parent / target if target else page).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        anchors = [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings]
        assert anchor in anchors, link


def test_the_command_line_page_is_current():
    from studio.cli.reference import page

    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_route_is_documented_and_no_other(studio_home: Path):
    from backend.api.app import create_app
    from backend.studio import Studio

    with Studio(studio_home) as studio:
        paths = create_app(studio).openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    named = re.findall(
        r"^\| `((?:GET|POST|PUT|PATCH|DELETE) [^`]+)` \|", (ROOT / "docs/api.md").read_text(), re.M
    )
    assert sorted(named) == sorted(routes)


def registries() -> dict[str, list[str]]:
    from jobs.data.builders import BUILDERS
    from jobs.data.formats import FORMATS
    from jobs.diffusion.objectives import OBJECTIVES
    from jobs.diffusion.samplers import SAMPLERS
    from jobs.diffusion.schedules import SCHEDULES
    from jobs.executors import EXECUTORS
    from jobs.models.families import FAMILIES
    from jobs.programs import PROGRAMS
    from jobs.programs.training.optimizers import BUILDERS as OPTIMIZER_BUILDERS
    from jobs.specs.job import KINDS
    from jobs.specs.objective import OBJECTIVES as OBJECTIVE_OPTIONS
    from jobs.specs.optimisation import OPTIMIZERS
    from jobs.specs.samplers import SAMPLERS as SAMPLER_OPTIONS

    return {
        "training objective": [*OBJECTIVES, *OBJECTIVE_OPTIONS],
        "optimizer": [*OPTIMIZERS, *OPTIMIZER_BUILDERS],
        "noise schedule": [*SCHEDULES],
        "sampler": [*SAMPLERS, *SAMPLER_OPTIONS],
        "model family": [*FAMILIES],
        "dataset format": [*FORMATS],
        "data builder": [*BUILDERS],
        "job type": [*KINDS, *PROGRAMS],
        "executor": [*EXECUTORS],
    }


@pytest.mark.parametrize("kind", registries())
def test_every_entry_of_a_registry_is_named_where_it_is_said_how_to_add_one(kind: str):
    sections = re.split(r"^## An? ", (ROOT / "docs" / "adding.md").read_text(encoding="utf-8"), flags=re.M)
    (section,) = [s for s in sections if s.startswith(kind)]
    now = section.split("\nNow: ")[1]
    named = set(re.findall(r"`([\w-]+)`", now))
    assert named == set(registries()[kind])


def test_the_changelog_has_the_version():
    from importlib.metadata import version

    assert f"## [{version('dllm-studio')}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_readme_names_every_room_and_every_make_target():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"{room}/" in text for room in ("studio", "ui", "backend", "jobs", "assets", "tests", "docs"))
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    unnamed = [t for t in targets if f"make {t}" not in text + contributing and t != "help"]
    assert not unnamed
