"""Numbers of things in words."""

import pytest

from jobs.protocol.counted import counted


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ((1, "row"), "1 row"),
        ((0, "row"), "0 rows"),
        ((4000, "row"), "4,000 rows"),
        ((1, "row has", "rows have"), "1 row has"),
        ((2, "row has", "rows have"), "2 rows have"),
    ],
)
def test_one_thing_is_told_in_the_singular(args: tuple, told: str):
    assert counted(*args) == told
