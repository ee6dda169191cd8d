"""Words that must stand, as a person types them."""

import pytest

from jobs.protocol.errors import SpecError
from ui import asking, forced_words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("5:upon", {5: "upon"}),
        ("5:upon, 9:lantern", {5: "upon", 9: "lantern"}),
        ("5: upon\n\n9:lantern\n", {5: "upon", 9: "lantern"}),
        ("0:a, b, 7:c", {0: "a, b", 7: "c"}),
        ("3:12:30", {3: "12:30"}),
    ],
)
def test_constraints_are_read(text, found):
    assert forced_words.constraints(text) == found


@pytest.mark.parametrize(("text", "said"), [("upon", "5:upon"), ("5:", "5:upon"), ("5:a\n5:b", "twice")])
def test_what_cannot_be_read_is_said(text, said):
    with pytest.raises(SpecError, match=said):
        forced_words.constraints(text)


def test_only_answers_can_be_forced():
    given = {"constraints": "5:upon", "prefix": "Once", "suffix": None}
    expected = {"constraints": {5: "upon"}, "prefix": "Once"}
    assert forced_words.read(asking.CHAT, given) == expected
    assert forced_words.read(asking.GRID, given) == {}
