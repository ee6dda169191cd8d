"""Lengths of rows: counted before anything is cut."""

import json
from collections import Counter
from itertools import pairwise

import pytest

from jobs.data.lengths import BARS, Lengths, measure
from jobs.models.tokenizers import character_tokenizer
from jobs.specs.data import DataSpec


def test_every_row_counts_with_its_end(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"text": "ab" * n}) + "\n" for n in (1, 2, 2, 5)))
    data = DataSpec(path=str(file), max_length=4)
    found = measure(data, character_tokenizer("ab"))
    assert found.counts == Counter({5: 2, 3: 1, 11: 1})
    assert (found.rows, found.tokens, found.over(4), found.over(11)) == (4, 24, 3, 0)


def test_quantiles_are_lengths_that_occur():
    found = Lengths(Counter({10: 50, 20: 49, 400: 1}))
    assert [found.at(share) for share in (0.5, 0.9, 0.99, 1)] == [10, 20, 20, 400]


@pytest.mark.parametrize("counts", [{7: 3}, {1: 1, 1000: 2}, {n: 1 for n in range(500)}])
def test_bars_hold_every_row_once_and_touch(counts):
    bars = Lengths(Counter(counts)).bars
    assert sum(rows for _, _, rows in bars) == sum(counts.values()) and len(bars) <= BARS
    assert all(after[0] == before[1] + 1 for before, after in pairwise(bars))
    assert bars[0][0] <= min(counts) <= bars[0][1] and bars[-1][0] <= max(counts) <= bars[-1][1]
