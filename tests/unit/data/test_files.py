"""Files of rows: what is read, and which file and line an error names."""

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from jobs.data.files import files_in, read_file, split_of
from jobs.data.load import load_rows, read_rows
from jobs.data.readers import READERS, json_list, table
from jobs.data.readers.opening import COMPRESSED
from jobs.protocol.errors import DataError, SpecError
from jobs.specs.data import DataSpec
from jobs.specs.data_files import KINDS, PACKED, kind_of


def test_there_is_a_reader_for_every_ending():
    assert tuple(READERS) == KINDS and tuple(COMPRESSED) == PACKED


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
        ("a.json", b'[{"text": "a"} {"text": "b"}]', "a.json, line 1: broken JSON: Expecting ','"),
        ("a.json", b'[{"text": "a"}] 3', "Extra data"),
        ("a.json", b'[{"text": "a"}', "a.json, line 1: broken JSON"),
        ("a.json", b"[" * 100_000, "nested"),
        ("a.csv", b"text\n", "is empty"),
        ("a.csv", b"text,text\nx,y\n", "name every field, each once"),
        ("a.csv", b"text,other\nx\n", "a.csv, line 2: 1 cells, but the first line names 2"),
        ("a.csv", b'text\n"x\n', "a.csv, line 2: broken table"),
        ("a.tsv", b"messages\n[oops\n", "a.tsv, line 2: the field 'messages' must hold JSON"),
        ("a.parquet", b"PAR1 no", "a.parquet is no whole Parquet file"),
        ("a.arrow", b"ARROW1", "a.arrow is no whole Arrow file"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "a"}\n', mtime=0)[:-9], "is no whole .gz file"),
        ("a.jsonl.xz", b"no", "is no whole .xz file"),
        ("a.jsonl.zst", b"no", "is no whole .zst file"),
        ("a.jsonl.bz2", b"no", "is no whole .bz2 file"),
        ("a.xml", b"<a>", "known: .jsonl, .json, .csv"),
        ("a.gz", b"", "known: .jsonl"),
        ("a.parquet.gz", b"", "known: .jsonl"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        rows(path)
    assert says in str(caught.value)


def test_a_line_of_a_table_without_end_is_not_held(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "LONGEST", 1000)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"text\nx\n" + b"y," * 10_000))
    with pytest.raises(DataError, match="a.csv.gz: a line of more than"):
        rows(tmp_path / "a.csv.gz")


ROWS = [{"text": "first é"}, {"text": "second, with\ta tab"}, {"text": 'third "quoted"'}]


def write_arrow(path, table, stream=False):
    opened = pyarrow.ipc.new_stream if stream else pyarrow.ipc.new_file
    with opened(str(path), table.schema) as writer:
        writer.write_table(table)


WRITERS = {
    ".jsonl": lambda path: path.write_text("".join(json.dumps(row) + "\r\n" for row in ROWS)),
    ".json": lambda path: path.write_text(json.dumps(ROWS, indent=1)),
    ".csv": lambda path: path.write_text('text\n"first é"\n"second, with\ta tab"\n"third ""quoted"""\n'),
    ".tsv": lambda path: path.write_text('text\nfirst é\n"second, with\ta tab"\n"third ""quoted"""\n'),
    ".parquet": lambda path: parquet.write_table(pyarrow.Table.from_pylist(ROWS), path),
    ".arrow": lambda path: write_arrow(path, pyarrow.Table.from_pylist(ROWS)),
    ".txt": lambda path: path.write_text("\n\n".join(row["text"] for row in ROWS)),
}


@pytest.mark.parametrize("ending", READERS)
def test_every_kind_of_file_gives_the_same_rows(tmp_path, ending):
    path = tmp_path / f"rows{ending}"
    WRITERS[ending](path)
    assert [row for _, row in rows(path)] == ROWS
    assert all(place.startswith(f"rows{ending}, ") for place, _ in rows(path))


def zst(data):
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".txt"])
@pytest.mark.parametrize(
    ("outer", "compress"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zst", zst)],
)
def test_compressed_files_are_read_as_they_are(tmp_path, ending, outer, compress):
    plain, packed = tmp_path / f"rows{ending}", tmp_path / f"rows{ending}{outer}"
    WRITERS[ending](plain)
    packed.write_bytes(compress(plain.read_bytes()))
    assert kind_of(packed) == ending
    assert [row for _, row in rows(packed)] == ROWS


def test_a_stream_as_datasets_writes_it(tmp_path):
    write_arrow(tmp_path / "a.arrow", pyarrow.Table.from_pylist(ROWS), stream=True)
    assert [row for _, row in rows(tmp_path / "a.arrow")] == ROWS


def test_a_json_list_is_read_in_pieces_of_any_size(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text(json.dumps([{"text": "x" * n, "n": n} for n in range(40)], indent=1))
    whole = rows(tmp_path / "a.json")
    for piece in (1, 7, 64):
        monkeypatch.setattr(json_list, "PIECE", piece)
        assert rows(tmp_path / "a.json") == whole


def test_cells_of_a_table_that_are_no_text_hold_json(tmp_path):
    (tmp_path / "a.csv").write_text('input_ids,note\n"[1, 2]",3\n')
    assert rows(tmp_path / "a.csv") == [("a.csv, line 2", {"input_ids": [1, 2], "note": "3"})]


def test_a_row_that_cannot_be_read_may_be_left_out(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a"}\noops\n3\n\xff\n{"text": "b"}\n')
    told = []
    assert [row["text"] for _, row in read_file(path, told.append)] == ["a", "b"]
    assert [str(error).split(":")[0] for error in told] == [f"a.jsonl, line {n}" for n in (2, 3, 4)]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train-00000-of-00003.parquet", "train"),
        ("main/test-0.parquet", "test"),
        ("dev.jsonl", "validation"),
        ("tests.jsonl", "train"),
        ("contest.jsonl", "train"),
        ("part1.csv", "train"),
    ],
)
def test_the_split_of_a_file_is_a_word_of_its_name(name, split):
    assert split_of(Path(name)) == split


def test_files_in_a_folder_are_found_in_order(tmp_path):
    for name in ("b/2.jsonl", "b/10.jsonl", "a.csv", "test.jsonl", ".hidden.jsonl", "state.json", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = {split: [p.name for p in files] for split, files in files_in(tmp_path).items()}
    assert found == {"train": ["a.csv", "10.jsonl", "2.jsonl"], "test": ["test.jsonl"]}
    with pytest.raises(DataError, match="no files of rows"):
        files_in(tmp_path / ".none")


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        rows(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="is a folder"):
        rows(tmp_path)


def test_rows_of_another_form_are_an_error_at_their_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n{"prompt": "a", "completion": "b"}\n')
    with pytest.raises(
        DataError, match=r"a.jsonl, line 2: this row is prompt_completion, the first one was text"
    ):
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
    assert found.note == (
        "a.txt: 2 rows read as text for their fields text (plain text; every token may be masked), "
        "one text a line."
    )


def test_load_rows_from_a_builder():
    found = load_rows(DataSpec(builder="sudoku", options={"size": 4, "rows": 3}))
    assert len(found.rows) == 3
    assert found.rows[2].place == "builder sudoku, row 3"
    with pytest.raises(SpecError, match="Did you mean 'sudoku'"):
        load_rows(DataSpec(builder="sudok"))
