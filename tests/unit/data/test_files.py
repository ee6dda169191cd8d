"""Files of rows: what is read, and which file and line an error names."""

import json

import pytest

from jobs.data.files import read_file
from jobs.data.load import load_rows, read_rows
from jobs.protocol.errors import DataError, SpecError
from jobs.specs.data import DataSpec


def rows(path):
    return list(read_file(path))


def test_jsonl_skips_blank_lines_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes('﻿{"text": "é"}\n\n{"text": "b"}\n'.encode())
    assert rows(path) == [("a.jsonl, line 1", {"text": "é"}), ("a.jsonl, line 3", {"text": "b"})]


def test_a_json_array(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"text": "a"}, {"text": "b"}]))
    assert rows(path)[1] == ("a.json, row 2", {"text": "b"})


def test_txt_is_one_text_a_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("first\nsecond\n\n\n")  # blank lines at the end part nothing
    assert rows(path) == [("a.txt, line 1", {"text": "first"}), ("a.txt, line 2", {"text": "second"})]


def test_txt_with_blank_lines_is_parted_by_them(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("first\ngoes on\n\n\nsecond\n")
    assert rows(path) == [
        ("a.txt, line 1", {"text": "first\ngoes on"}),
        ("a.txt, line 5", {"text": "second"}),
    ]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b"", "is empty"),
        ("a.txt", b"\n \n", "is empty"),
        ("a.json", b"  ", "is empty"),
        ("a.json", b"[]", "is empty"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', "a.jsonl, line 2: broken JSON"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\xff"}\n', "a.jsonl, line 2: not UTF-8"),
        ("a.jsonl", b"3\n", "a.jsonl, line 1: a row is an object"),
        ("a.json", b'[\n{"text": "a"},\n oops]', "a.json, line 3: broken JSON"),
        ("a.json", b'{"text": "a"}\n{"text": "b"}', "name the file .jsonl"),
        ("a.json", b'{"text": "a"}', "is a list"),
        ("a.json", b"[1]", "a.json, row 1: a row is an object"),
        ("a.txt", b"\xff\xfe", "not UTF-8"),
        ("a.csv", b"a,b", "known: .jsonl, .json, .txt"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        rows(path)
    assert says in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        rows(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="is a folder"):
        rows(tmp_path)


def test_rows_of_another_form_are_an_error_at_their_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n{"prompt": "a", "completion": "b"}\n')
    with pytest.raises(DataError, match=r"a.jsonl, line 2: the field 'text' is missing"):
        list(read_rows(path))


def test_the_wanted_format_must_fit(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n')
    with pytest.raises(DataError, match=r"data.format is 'messages'.*Set data.format to 'text'"):
        load_rows(DataSpec(path=str(path), format="messages"))


def test_load_rows_tells_what_it_read(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one\ntwo\nthree\n")
    found = load_rows(DataSpec(path=str(path), limit=2))
    assert (found.kind, found.form, len(found.rows)) == ("text", "text", 2)
    assert (
        found.note == "a.txt: 2 rows read as text (plain text; every token may be masked), one text a line."
    )


def test_load_rows_from_a_builder():
    found = load_rows(DataSpec(builder="sudoku", options={"size": 4, "rows": 3}))
    assert len(found.rows) == 3
    assert found.rows[2].place == "builder sudoku, row 3"
    with pytest.raises(SpecError, match="Did you mean 'sudoku'"):
        load_rows(DataSpec(builder="sudok"))
