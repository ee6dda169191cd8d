"""docs/api.md names every topic of the stream (its routes are checked with the other docs)."""

import re
from pathlib import Path

from backend.api.topics import TOPICS

PAGE = Path(__file__).parents[3] / "docs" / "api.md"


def test_every_topic_is_in_the_table():
    table = PAGE.read_text(encoding="utf-8").split("| topic |")[1]
    assert re.findall(r"^\| `(\w+)(?::\w+)?` \|", table, re.MULTILINE) == list(TOPICS)
