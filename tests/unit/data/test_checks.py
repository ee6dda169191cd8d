"""What is wrong with a file is said in one sentence with its place, counted by kind, and nothing is lost."""

import gzip
import json
from pathlib import Path

import pytest
from PIL import Image

from jobs.data.checks import lines as lines_module
from jobs.data.checks.decide import BadRows
from jobs.data.checks.problems import KINDS, LONGEST_SHOWN
from jobs.data.checks.report import Report, check
from jobs.data.checks.scan import scan
from jobs.protocol.errors import DataError

GOOD = {"messages": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b"}]}


def line(row: object) -> bytes:
    return json.dumps(row).encode()


def turns(*roles: str, answer: str = "b") -> bytes:
    messages = [{"role": role, "content": answer} for role in roles]
    return line({"messages": messages})


def write(folder: Path, *given: bytes, name: str = "rows.jsonl", end: bytes = b"\n") -> Path:
    path = folder / name
    path.write_bytes(end.join(given))
    return path


# What stands in line 2 -> (kind, words of the sentence)
BAD_LINES: dict[str, tuple[bytes, str, str]] = {
    "another encoding": ("{'text': 'caf\xe9'}".encode("latin-1"), "encoding", "not UTF-8 text (byte 0xe9"),
    "UTF-16": (b"\xff\xfe{\x00}\x00", "encoding", "save the file in UTF-8"),
    "half a character": (
        line({"messages": [{"role": "user", "content": "\ud800"}, *GOOD["messages"][1:]]}),
        "encoding",
        "half a character",
    ),
    "cut JSON": (b'{"messages": [', "json", "broken JSON"),
    "NaN": (b'{"messages": [], "score": NaN}', "number", "NaN is no number"),
    "infinity": (b'{"messages": [], "score": -Infinity}', "number", "-Infinity is no number"),
    "a huge number": (b'{"messages": [], "n": ' + b"9" * 5000 + b"}", "json", "broken JSON"),
    "a list": (b"[1, 2]", "object", "this is list"),
    "no end of lists": (b"[" * 100_000, "depth", "without end"),
    "unknown fields": (b'{"pixels": 3}', "form", "in no known form"),
    "another schema": (b'{"text": "hello"}', "mixed", "this row is text, the first one was messages"),
    "a nested surprise": (line({"messages": {"role": "user"}}), "row", "must be a list of messages"),
    "a message that is none": (line({"messages": ["hi"]}), "row", "message 1: a message is an object"),
    "content that is a number": (line({"messages": [{"role": "user", "content": 3}]}), "type", "'content'"),
    "no role": (line({"messages": [{"content": "hi"}]}), "missing", "the field 'role' is missing"),
    "roles out of order": (turns("assistant", "user"), "roles", "roles out of order: message 1"),
    "an unknown role": (turns("user", "robot"), "roles", "'robot'"),
    "no answer": (turns("user"), "roles", "the last message must be the assistant's answer"),
    "an empty answer": (turns("user", "assistant", answer=" "), "empty", "answer is empty"),
    "a missing image": (
        line(
            {"messages": [{"role": "user", "content": "<image>"}, GOOD["messages"][1]], "images": ["no.png"]}
        ),
        "image",
        "there is no image 'no.png'",
    ),
    "a path out of the folder": (
        line(
            {
                "messages": [{"role": "user", "content": "<image>"}, GOOD["messages"][1]],
                "images": ["../x.png"],
            }
        ),
        "image",
        "is not under",
    ),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_is_told_and_counted_and_those_around_it_are_kept(tmp_path: Path, name: str):
    bad, kind, words = BAD_LINES[name]
    report = check(write(tmp_path, line(GOOD), bad, line({**GOOD, "id": 2})))
    assert (report.read, report.good, report.bad) == (3, 2, {kind: 1})
    (example,) = report.examples
    assert example["problem"].startswith("rows.jsonl, line 2") and words in example["problem"]
    assert "\n" not in example["problem"] and kind in KINDS
    assert report.whole and "1 bad" in report.sentence()


def test_a_hostile_image_is_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("jobs.data.images.MOST_PIXELS", 100)
    Image.new("RGB", (20, 20)).save(tmp_path / "bomb.png")
    row = {"messages": [{"role": "user", "content": "<image>"}, GOOD["messages"][1]], "images": ["bomb.png"]}
    report = check(write(tmp_path, line(row)))
    assert report.bad == {"image": 1} and "pixels; shrink it" in report.examples[0]["problem"]


def test_a_line_that_is_no_row_is_passed_over_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lines_module, "LONGEST", 2**20)
    long = b'{"text": "' + b"x" * (50 * 2**20) + b'"}'
    report = check(write(tmp_path, line(GOOD), long, line(GOOD)))
    assert report.bad == {"long line": 1} and report.good == 2
    assert "line 2: a line of 50 MiB" in report.examples[0]["problem"]
    assert len(report.examples[0]["row"]) < 2 * LONGEST_SHOWN


MARK, LONG = b"\xef\xbb\xbf", b"x" * (33 * 2**20)
TABLE = b"text,id\r\n"
# What is in a file of another kind than JSON lines -> (file, bytes, good rows, kinds of bad ones, a remark)
FILES: dict[str, tuple[str, bytes, int, dict[str, int], str]] = {
    "a mark, Windows lines": ("a.csv", MARK + TABLE + b"a,1\r\nb,2\r\n", 2, {}, "byte order mark"),
    "ids that come twice": (
        "a.csv",
        TABLE + b"a,1\r\nb,1\r\n",
        2,
        {},
        "1 row has the id of an earlier row",
    ),
    "cells that lack": ("a.csv", TABLE + b"a,1\r\nb\r\nc,3\r\n", 2, {"row": 1}, ""),
    "a table in another encoding": ("a.csv", TABLE + b"a,1\r\ncaf\xe9,2\r\nb,3\r\n", 2, {"encoding": 1}, ""),
    "NaN in a list": ("a.json", b'[{"text": "a", "n": NaN}, {"text": "b"}]', 1, {"number": 1}, ""),
    "a list with others in it": ("a.json", b'[{"text": "a"}, 3, {"text": "b"}]', 2, {"object": 1}, ""),
    "a list cut short": ("a.json", b'[{"text": "a"}, {"text": ', 1, {"file": 1}, ""),
    "a list with a mark": ("a.json", MARK + b'[{"text": "a"}]', 1, {}, "byte order mark"),
    "texts in another encoding": ("a.txt", b"one\ncaf\xe9\nthree\n", 2, {"encoding": 1}, ""),
    "texts with a mark, Windows lines": ("a.txt", MARK + b"one\r\ntwo\r\n", 2, {}, "Windows line ends"),
    "a text of 33 MB": ("a.txt", b"one\n" + LONG + b"\nthree\n", 2, {"long line": 1}, ""),
}


@pytest.mark.parametrize("name", FILES)
def test_the_other_kinds_of_files_are_checked_as_well(tmp_path: Path, name: str):
    file, content, good, bad, remark = FILES[name]
    report = check(write(tmp_path, content, name=file))
    assert (report.good, report.bad) == (good, bad)
    assert all(example["problem"].startswith(file) for example in report.examples)
    assert remark in " ".join(report.remarks)


def test_a_byte_order_mark_and_windows_line_ends_are_remarked_and_passed_over(tmp_path: Path):
    report = check(write(tmp_path, b"\xef\xbb\xbf" + line(GOOD), line(GOOD), end=b"\r\n"))
    assert report.good == 2 and not report.bad
    assert [remark.split(",")[0] for remark in report.remarks] == [
        "rows.jsonl begins with a byte order mark",
        "rows.jsonl has Windows line ends (CR LF)",
        "1 row repeats an earlier one word for word.",
    ]


def test_ids_that_come_twice_and_fields_that_differ_are_remarked(tmp_path: Path):
    others = [{**GOOD, "id": 7}, {"messages": [*GOOD["messages"], *GOOD["messages"]], "id": 7}]
    report = check(write(tmp_path, line(GOOD), *map(line, others)))
    assert "1 row has the id of an earlier row." in report.remarks
    assert "Rows differ in their fields: not all have 'id'." in report.remarks


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("rows.jsonl", b"", "is empty: it holds no rows"),
        ("rows.jsonl", b"\n \r\n\n", "is empty: it holds no rows"),
        ("rows.jsonl.gz", b"no gzip at all", "is no whole .gz file"),
        ("rows.json", b'{"text": "one object"}', "a .json file of rows is a list"),
        ("rows.json", b"[" * 100_000, "rows.json"),
        ("rows.xyz", b"text", "are not read"),
        ("rows.csv", "text,id\na,1\n".encode("utf-16"), "line 1: not UTF-8 text"),
        ("rows.csv", b"", "is empty: it holds no rows"),
        ("rows.csv", b"text,text\na,b\n", "must name every field, each once"),
        ("rows.csv.gz", gzip.compress(b"text\na\n", mtime=0)[:-9], "is no whole .gz file"),
        ("rows.parquet", b"PAR1", "is no whole Parquet file"),
        ("rows.arrow", b"", "rows.arrow"),
    ],
)
def test_a_file_that_cannot_be_begun_is_refused(tmp_path: Path, name: str, content: bytes, words: str):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        check(path)


def test_a_truncated_gzip_gives_its_rows_and_says_that_it_is_cut(tmp_path: Path):
    path = tmp_path / "rows.jsonl.gz"
    rows = b"".join(line({**GOOD, "id": n}) + b"\n" for n in range(5000))
    path.write_bytes(gzip.compress(rows)[:-400])
    report = check(path)
    assert report.good > 100 and report.bad == {"file": 1} and not report.whole
    assert "is no whole .gz file" in report.examples[-1]["problem"]
    assert "could not be read to its end" in report.sentence()


def mixed(folder: Path) -> Path:
    return write(folder, line(GOOD), b"{", b"[1]", turns("assistant"), line(GOOD))


def test_stop_raises_with_the_way_out(tmp_path: Path):
    with BadRows("stop") as bad, pytest.raises(DataError, match="line 2.*data.on_bad_rows to skip"):
        list(bad.good(scan(mixed(tmp_path))))


@pytest.mark.parametrize("decision", ["skip", "quarantine"])
def test_bad_rows_are_left_out_or_put_aside_and_counted(tmp_path: Path, decision: str):
    aside = tmp_path / "run" / "bad.jsonl"
    with BadRows(decision, aside) as bad:
        kept = list(bad.good(scan(mixed(tmp_path))))
    assert len(kept) == 2 and bad.counts == {"json": 1, "object": 1, "roles": 1}
    assert "3 bad rows were" in bad.sentence()
    bad.counts = {"json": 1}
    assert bad.sentence().startswith("1 bad row was ")
    assert aside.exists() == (decision == "quarantine")
    if decision == "quarantine":
        told = [json.loads(text) for text in aside.read_text().splitlines()]
        assert [entry["place"] for entry in told] == [f"rows.jsonl, line {n}" for n in (2, 3, 4)]
        assert told[2]["row"] == json.loads(turns("assistant"))


@pytest.mark.parametrize("decision", ["skip", "quarantine"])
def test_no_decision_covers_a_file_that_ends_early(tmp_path: Path, decision: str):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(line(GOOD) + b"\n" for _ in range(9000)))[:-20])
    with BadRows(decision, tmp_path / "bad") as bad, pytest.raises(DataError, match="no whole .gz"):
        list(bad.good(scan(path)))


def test_examples_are_few_and_counts_are_all(tmp_path: Path):
    report = check(write(tmp_path, line(GOOD), *[b"{"] * 40))
    assert report.bad == {"json": 40} and len(report.examples) == 5 and report.read == 41


def test_the_report_is_json(tmp_path: Path):
    data = check(mixed(tmp_path)).data()
    assert json.loads(json.dumps(data))["bad_rows"] == 3
    assert data["read"] == data["good"] + data["bad_rows"] and isinstance(Report("x").data(), dict)
