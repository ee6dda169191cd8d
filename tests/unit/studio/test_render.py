"""Text, sizes and times as the terminal shows them."""

import json

import pytest
from pydantic import BaseModel

from studio.cli.render import ago, as_json, count, duration, safe, size


def test_a_models_text_cannot_command_the_terminal():
    assert safe("a\x1b[2Jb\x07\x9bc") == "a�[2Jb��c"
    assert safe("one\r\ntwo\ttab\rthree") == "one\ntwo\ttab\nthree"
    assert safe("Zürich 東京 ✓") == "Zürich 東京 ✓"


@pytest.mark.parametrize(
    ("number", "text"), [(None, ""), (0, "0 B"), (812, "812 B"), (3.4e6, "3.4 MB"), (1.6e10, "16.0 GB")]
)
def test_sizes(number, text):
    assert size(number) == text


@pytest.mark.parametrize(
    ("number", "text"), [(None, ""), (870, "870"), (11_200, "11.2 k"), (3.3e6, "3.3 M"), (8e9, "8.0 B")]
)
def test_counts(number, text):
    assert count(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.42, "0.4 s"),
        (42, "42 s"),
        (59.7, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_moments():
    assert ago(None) == ""
    assert ago(100.0, now=142.4) == "42 s ago"
    assert ago(0.0, now=3 * 86400) == "3 days ago"
    assert ago(50.0, now=40.0) == "0.0 s ago"  # a clock that was set back


class View(BaseModel):
    id: str
    loss: float | None = None


def test_json_takes_views_and_lists_of_them():
    assert json.loads(as_json([View(id="train-0001"), View(id="ü", loss=1.5)])) == [
        {"id": "train-0001", "loss": None},
        {"id": "ü", "loss": 1.5},
    ]
    assert json.loads(as_json(View(id="a"))) == {"id": "a", "loss": None}
