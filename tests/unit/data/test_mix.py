"""The notation of sources: what is understood, what is refused, and which rows it takes."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.data.load import load_rows, look
from jobs.data.split import is_held_out
from jobs.protocol.errors import DataError
from jobs.specs.data import DataSpec
from jobs.specs.mix import HubName, Part, hub_name, parse, write

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("stories", [Part("stories")]),
        ("stories[train:1000,test:100]", [Part("stories", 1, {"train": 1000, "test": 100})]),
        ("a/b.jsonl[train] + c", [Part("a/b.jsonl", 1, {"train": None}), Part("c")]),
        ('2 * a+0.5*"b + c [1]" [test:3]', [Part("a", 2), Part("b + c [1]", 0.5, {"test": 3})]),
        ("/my data/a.jsonl", [Part("/my data/a.jsonl")]),
    ],
)
def test_what_is_understood(text, parts):
    assert list(parse(text)) == parts
    assert parse(write(parse(text))) == parse(text)


NAMES = st.text(min_size=1).filter(lambda name: name.strip() == name)


@given(st.lists(st.tuples(NAMES, st.sampled_from([0.25, 1, 2])), min_size=1, max_size=3))
@pytest.mark.thorough
def test_any_name_can_be_written(given):
    parts = tuple(Part(name, weight) for name, weight in given)
    assert parse(write(parts)) == parts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a +",
        "+ a",
        "a[train:0]",
        "a[]",
        "a[train:1,train:2]",
        "a[train",
        "a] b",
        '"a',
        "0 * a",
        "a[1:train]",
    ],
)
def test_what_is_no_mix_is_refused(text):
    with pytest.raises(DataError, match=r"data\.path"):
        parse(text)


def test_names_of_the_hub():
    assert hub_name(f"openai/gsm8k:main@{COMMIT}") == HubName("openai/gsm8k", "main", COMMIT)
    assert hub_name("openai/gsm8k") == HubName("openai/gsm8k", None, None)
    assert hub_name("stories") is None and hub_name("/a/b") is None and hub_name("a/b/c") is None


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, count in (("a", 200), ("b", 10)):
        rows = [json.dumps({"text": f"{name} {n}"}) + "\n" for n in range(count)]
        (tmp_path / f"{name}.jsonl").write_text("".join(rows))
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "train-0.csv").write_text("text\nx 0\nx 1\n")
    (parts / "test-0.csv").write_text("text\ny 0\nx 1\n")
    return tmp_path


def texts(files: Path, mix: str, **options) -> list[str]:
    return [row.text for row in read(files, mix, **options).rows]


def read(files: Path, mix: str, **options):
    """The rows of a mix in which a name stands for a file of the folder."""
    names = {"a": f"{files}/a.jsonl", "b": f"{files}/b.jsonl", "parts": f"{files}/parts"}
    path = re.sub(r"(?<!/)\b(a|b|parts)\b(?!/)", lambda found: names[found[0]], mix)
    return load_rows(DataSpec(path=path, **options))


def test_a_mix_is_its_parts_in_order(files: Path):
    assert texts(files, "b[train:2] + a[train:1] + b[train:1]") == ["b 0", "b 1", "a 0", "b 0"]


def test_weights_repeat_rows_and_leave_rows_out(files: Path):
    assert texts(files, "2 * b[train:2]") == ["b 0", "b 0", "b 1", "b 1"]
    assert texts(files, "0.5 * b") == [f"b {n}" for n in (1, 3, 5, 7, 9)]
    assert len(texts(files, "0.3 * a")) == 60
    assert texts(files, "1.5 * b[train:2]") == ["b 0", "b 1", "b 1"]


def test_the_same_mix_gives_the_same_rows_every_time(files: Path):
    mix = "0.7 * a[train:90,test:5] + 3 * b"
    assert texts(files, mix) == texts(files, mix)


def test_a_file_without_splits_is_split_by_hash(files: Path):
    found = read(files, "a[train:20,test:4]", validation=0.1)
    assert len(found.rows) == 20 and len(found.held_out) == 4
    assert not any(is_held_out(row, 0.1) for row in found.rows)
    assert all(is_held_out(row, 0.1) for row in found.held_out)
    assert found.split(0.1) == (found.rows, found.held_out)


@pytest.mark.parametrize("slices", ["test:9", "validation:9,test:9", "test:9,train:9", "train:9,test:9"])
def test_bad_rows_are_told_once_whatever_the_slices_name(tmp_path: Path, slices: str):
    good, mixed = tmp_path / "good.jsonl", tmp_path / "mixed.jsonl"
    good.write_text('{"text": "a"}\n')
    mixed.write_text("".join(f'oops\n{{"text": "{n}"}}\n' for n in range(9)))
    data = DataSpec(path=f"{good} + {mixed}[{slices}]", validation=0.5)
    problems = [found.place for found in look(data) if found.problem is not None]
    assert problems == [f"mixed.jsonl, line {n}" for n in range(1, 19, 2)]


def test_a_folder_has_splits_of_its_own_and_what_is_held_out_is_not_trained(files: Path):
    found = read(files, "parts[train,test]")
    assert [row.text for row in found.held_out] == ["y 0", "x 1"]
    assert [row.text for row in found.rows] == ["x 0"]
    assert "1 row to train on was left out, being held out too." in found.note


def test_a_folder_alone_gives_its_rows_to_train_on_and_says_what_it_leaves(files: Path):
    found = read(files, "parts")
    assert [row.text for row in found.rows] == ["x 0", "x 1"] and found.held_out is None
    assert "Its other splits: test." in found.note


@pytest.mark.parametrize(
    ("mix", "options", "says"),
    [
        ("parts[train,dev]", {}, "has no split 'dev', only test, train"),
        ("a[train,test]", {"validation": 0}, "needs data.validation above 0"),
        ("none.jsonl", {}, "there is no such file"),
        ("nothing", {}, "there is no such file"),
        ("openai/gsm8k", {}, r"openai/gsm8k@<the 40 letters of the commit>"),
        ("openai/gsm8k@main", {}, "write which commit is meant"),
    ],
)
def test_what_cannot_be_taken_is_said(files: Path, mix: str, options: dict, says: str):
    with pytest.raises(DataError, match=says):
        read(files, mix, **options)


def test_conversations_and_texts_do_not_mix(files: Path):
    (files / "talk.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    with pytest.raises(DataError, match=r"talk.jsonl, line 1: a mix is of conversations or of texts"):
        read(files, f"b + {files}/talk.jsonl")


def test_forms_may_differ_within_a_mix_of_conversations(files: Path):
    (files / "talk.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    (files / "taught.jsonl").write_text('{"instruction": "c", "output": "d"}\n')
    found = read(files, f"{files}/talk.jsonl + {files}/taught.jsonl")
    assert (found.form, found.kind) == ("prompt_completion + alpaca", "messages")


def test_columns_of_other_names(files: Path):
    (files / "gsm.jsonl").write_text('{"question": "a", "answer": "b", "id": 3}\n')
    found = read(files, f"{files}/gsm.jsonl", columns={"prompt": "question", "completion": "answer"})
    assert [m.content for m in found.rows[0].messages] == ["a", "b"]
    assert "read as prompt_completion for their fields prompt, completion" in found.note
    assert "not read: id" in found.note


# --- LLaMA-Factory's list of data sets

INFO = {
    "plain": {"file_name": "alpaca.json"},
    "renamed": {
        "file_name": "gsm.jsonl",
        "columns": {"prompt": "question", "query": "hint", "response": "answer", "history": "before"},
        "num_samples": 1,
    },
    "corpus": {"file_name": "c4.txt", "columns": {"prompt": "text"}},
    "talk": {
        "file_name": "talk.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "turns", "system": "sys"},
        "tags": {"role_tag": "who", "content_tag": "said", "user_tag": "me", "assistant_tag": "it"},
    },
    "closed": {"hf_hub_url": "owner/name", "subset": "main"},
    "pairs": {"file_name": "alpaca.json", "ranking": True},
    "outside": {"file_name": "../other.json"},
    "missing": {"file_name": "none.json"},
    "odd": {"file_name": "alpaca.json", "formatting": "xml"},
    "tools": {"file_name": "alpaca.json", "columns": {"tools": "tools"}},
}


@pytest.fixture
def info(tmp_path: Path) -> str:
    (tmp_path / "dataset_info.json").write_text(json.dumps(INFO))
    (tmp_path / "alpaca.json").write_text('[{"instruction": "Add.", "input": "1 2", "output": "3"}]')
    row = {"question": "q", "hint": "h", "answer": "a", "before": [["x", "y"]]}
    (tmp_path / "gsm.jsonl").write_text((json.dumps(row) + "\n") * 2)
    (tmp_path / "c4.txt").write_text("one\ntwo\n")
    turns = [{"who": "me", "said": "hi"}, {"who": "it", "said": "ho"}]
    (tmp_path / "talk.jsonl").write_text(json.dumps({"turns": turns, "sys": "be kind"}) + "\n")
    return str(tmp_path / "dataset_info.json")


@pytest.mark.parametrize(
    ("name", "contents"),
    [
        ("plain", [["Add.\n1 2", "3"]]),
        ("renamed", [["x", "y", "q\nh", "a"]]),
        ("talk", [["be kind", "hi", "ho"]]),
        ("corpus", ["one", "two"]),
        ("plain + renamed[train:1]", [["Add.\n1 2", "3"], ["x", "y", "q\nh", "a"]]),
    ],
)
def test_entries_of_a_dataset_info_are_read_as_they_are(info: str, name: str, contents: list):
    found = load_rows(DataSpec(path=name, info=info))
    assert [row.text or [m.content for m in row.messages] for row in found.rows] == contents
    assert "by its entry in dataset_info.json" in found.note


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("closed", "owner/name:main@<the 40 letters"),
        ("pairs", "'ranking' is not read here"),
        ("outside", "leads out of the folder"),
        ("missing", "there is no file"),
        ("odd", "formatting 'xml' is not known"),
        ("tools", "'tools' is not read here"),
        ("nobody", "nobody: there is no such file"),
    ],
)
def test_entries_that_cannot_be_read_are_named(info: str, name: str, says: str):
    with pytest.raises(DataError, match=says):
        load_rows(DataSpec(path=name, info=info))
