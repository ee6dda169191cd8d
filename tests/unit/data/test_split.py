"""Held-out rows: chosen by content, alike in every run."""

import pytest

from jobs.data.rows import Message, Row
from jobs.data.split import split
from jobs.protocol.errors import DataError


def texts(*contents):
    return [Row(f"row {i}", text=text) for i, text in enumerate(contents)]


def test_the_share_is_about_right_and_order_does_not_matter():
    rows = texts(*(f"text {i}" for i in range(2000)))
    train, held_out = split(rows, 0.1)
    assert len(train) + len(held_out) == 2000
    assert 150 < len(held_out) < 250
    again = split(rows[::-1], 0.1)[1]
    assert {r.text for r in again} == {r.text for r in held_out}


def test_a_row_is_on_the_same_side_in_a_larger_file():
    small, large = texts(*map(str, range(500))), texts(*map(str, range(5000)))
    held_small = {r.text for r in split(small, 0.2)[1]}
    held_large = {r.text for r in split(large, 0.2)[1]}
    assert held_small == {t for t in held_large if int(t) < 500}


def test_copies_never_stand_on_both_sides():
    rows = texts(*(str(i % 10) for i in range(100)))
    train, held_out = split(rows, 0.5)
    assert {r.text for r in train}.isdisjoint(r.text for r in held_out)


def test_a_small_file_still_has_one_row_held_out():
    assert len(split(texts("a", "b", "c"), 0.001)[1]) == 1
    assert split(texts("a"), 0.02)[1] == []
    assert split(texts("a", "a"), 0.001)[1] == []


def test_no_share_holds_out_none():
    rows = texts("a", "b")
    assert split(rows, 0) == (rows, [])


def test_holding_out_everything_is_an_error():
    row = next(r for i in range(100) for r in texts(f"text {i}") if r.hash() < 0.8 * 2**64)
    with pytest.raises(DataError, match="none to train on"):
        split([row], 0.8)


def test_conversations_hash_by_content_not_by_place():
    messages = (Message("user", "a"), Message("assistant", "b"))
    assert Row("here", messages=messages).hash() == Row("there", messages=messages).hash()
    assert Row("here", messages=messages).hash() != Row("here", messages=messages[::-1]).hash()
