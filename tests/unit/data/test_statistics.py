"""Figures of rows: by hand on a few, the same from a stream of any length."""

import pytest

from jobs.data.checks.repeats import Repeats
from jobs.data.rows import Message, Row
from jobs.data.statistics import script, statistics
from jobs.models.tokenizers import character_tokenizer
from jobs.specs.data import DataSpec

TOKENIZER = character_tokenizer("abcdefghijklmnopqrstuvwxyz :\nUA<>")
MASK = TOKENIZER.mask_token_id


def figures(rows: list[Row], max_length: int = 100, mask_id: int = MASK, report=lambda rows: None):
    data = DataSpec(path="x.jsonl", max_length=max_length)
    return statistics(rows, TOKENIZER, data, mask_id, report)


def texts(*given: str) -> list[Row]:
    return [Row(f"rows, line {n}", text=text) for n, text in enumerate(given, 1)]


def test_texts_by_hand():
    found = figures(texts("abc", "abcdef", "abc", "a b"), max_length=5)
    # each is closed by an end-of-text token: lengths 4, 7, 4, 4
    assert (found.rows, found.tokens, found.characters) == (4, 19, 15)
    assert dict(found.lengths) == {4: 3, 7: 1} and found.truncated == 1
    assert found.repeats.count == 1 and found.repeats.exact
    assert found.quantiles() == {"shortest": 4, "p50": 4, "p90": 7, "p99": 7, "longest": 7}
    assert sum(count for *_, count in found.histogram()) == 4


def test_the_share_of_prompts():
    row = Row("rows, line 1", messages=(Message("user", "ab"), Message("assistant", "cd")))
    data = figures([row]).data()
    whole = len("User: ab\nAssistant: ") + len("cd\n") + 1
    assert data["tokens"] == whole
    assert data["prompt_share"] == pytest.approx(len("User: ab\nAssistant: ") / whole, abs=1e-3)


def test_special_tokens_in_the_text_are_warned_of_with_their_place():
    found = figures(texts("a <mask> b", "plain"))
    assert found.special == {"<mask>": {"rows": 1, "places": ["rows, line 1"]}}
    assert found.mask_is_a_word == 1
    assert any(
        "The special token <mask> stands in the text of 1 row (rows, line 1)" in w for w in found.warnings()
    )


def test_a_mask_that_is_a_real_word_is_a_warning():
    found = figures(texts("abc", "xyz"), mask_id=TOKENIZER.convert_tokens_to_ids("x"))
    assert found.mask_is_a_word == 1 and "would take that for a mask" in found.warnings()[0]


def test_rows_that_the_tokenizer_refuses_are_counted_and_the_others_too():
    found = figures(texts("abc", "a%b", "def"))
    assert found.unusable == 1 and sum(found.lengths.values()) == 2
    assert "line 2" in found.problems[0] and "'%'" in found.problems[0]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hello", "Latin"),
        ("Äpfel und Öl", "Latin"),
        ("привет мир", "Cyrillic"),
        ("你好，世界 abc", "Han"),
        ("こんにちは", "Kana"),
        ("안녕하세요", "Hangul"),
        ("مرحبا", "Arabic"),
        ("ጤና ይስጥልኝ", "other"),
        ("12 + 30 = 42", "none"),
    ],
)
def test_languages_by_script(text: str, name: str):
    assert script([text]) == name


def test_repeats_are_exact_while_they_fit_and_estimated_after():
    exact = Repeats()
    keys = [n * 0x9E3779B97F4A7C15 % 2**64 for n in range(4000)]
    for key in [*keys, *keys[:1000]]:
        exact.add(key)
    assert exact.count == 1000 and exact.exact
    small = Repeats(most=500)
    for key in [*keys, *keys[:1000]]:
        small.add(key)
    assert not small.exact and len(small._seen) <= 500
    assert small.count == pytest.approx(1000, rel=0.35)  # about 60 of them are watched


def test_a_stream_is_read_once_and_told_of_as_it_goes():
    told: list[int] = []
    found = figures(iter(texts(*["abc"] * 700)), report=told.append)  # type: ignore[arg-type]
    assert found.rows == 700 and told == [256, 512, 700]
