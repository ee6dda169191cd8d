"""docs/api.md names every route, every topic, and nothing else."""

import re
from pathlib import Path

from backend.api.app import create_app
from backend.api.topics import TOPICS
from tests.fakes.studio import make_studio

PAGE = Path(__file__).parents[3] / "docs" / "api.md"


def test_every_route_is_in_the_table(studio_home: Path):
    with make_studio(studio_home) as studio:
        paths = create_app(studio).openapi()["paths"]
    real = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    named = re.findall(r"^\| `([A-Z]+ /api/\S+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) == real and len(named) == len(real)


def test_every_topic_is_in_the_table():
    table = PAGE.read_text(encoding="utf-8").split("## The stream")[1]
    assert re.findall(r"^\| `(\w+)(?::\w+)?` \|", table, re.MULTILINE) == list(TOPICS)
