"""Data tokenized ahead of time: the same sequences as without, whatever way and in how many pieces."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from jobs.data import fingerprint, prepare
from jobs.data.chat import ensure_template
from jobs.data.encode import encode
from jobs.data.load import load_rows
from jobs.data.prepare import Plan
from jobs.data.prepared import PreparedSequences, is_prepared, shard_name, validation_sequences
from jobs.data.rows import Row
from jobs.models.tokenizers import character_tokenizer
from jobs.protocol.errors import DataError
from jobs.specs.data import DataSpec

LETTERS = "abcdefghijklmnopqrstuvwxyzASU0123456789?.: \n"


@pytest.fixture
def tokenizer():
    made = character_tokenizer(LETTERS)
    ensure_template(made)
    return made


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(prepare, "CHUNK_ROWS", 7)


def write(path: Path, rows: list[dict]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def texts(tmp_path: Path, count: int = 60) -> str:
    return write(tmp_path / "texts.jsonl", [{"text": "ab " * (n % 9) + str(n)} for n in range(count)])


def talks(tmp_path: Path) -> str:
    rows = [{"prompt": "q" * (n % 12), "completion": "a" * (1 + n % 7) + str(n)} for n in range(60)]
    return write(tmp_path / "talks.jsonl", rows)


def dialogues(tmp_path: Path) -> str:
    """Conversations of one to three turns."""
    turns = [{"role": ("user", "assistant")[n % 2], "content": "ab"[n % 2] * (1 + n)} for n in range(6)]
    return write(
        tmp_path / "dialogues.jsonl",
        [
            {"messages": [{**turns[0], "content": "q" * (1 + n % 9)}, *turns[1 : 2 + 2 * (n % 3)]]}
            for n in range(30)
        ],
    )


def tokens(tmp_path: Path) -> str:
    rows = [{"input_ids": [1 + n % 5] * (2 + n % 6), "prompt_length": n % 2} for n in range(60)]
    return write(tmp_path / "tokens.jsonl", rows)


def plan(tmp_path: Path, data: DataSpec, tokenizer, workers: int = 2) -> Plan:
    folder = tmp_path / "prepared"
    folder.mkdir(exist_ok=True)
    return Plan(folder, data, tokenizer, "key", fingerprint.of_tokenizer(tokenizer), workers)


def without(data: DataSpec, tokenizer):
    """(sequences to train on, held out) as a training makes them from the file."""
    train, held = load_rows(data).split(data.validation)
    held = sorted(held, key=Row.hash)[: prepare.HELD_OUT]
    return encode(train, tokenizer, data).sequences, encode(held, tokenizer, data).sequences


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"packing": False},
        {"whole_documents": True},
        {"separate_documents": True},
        {"whole_documents": True, "separate_documents": True, "max_length": 26},
        {"append_eos": False},
        {"max_length": 1000},
        {"validation": 0},
        {"validation": 1e-9},
        {"validation": 0.5, "max_length": 26},
        {"limit": 20},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [texts, talks, tokens])
def test_the_sequences_are_those_of_the_file_itself(tmp_path, tokenizer, kind, settings):
    data = DataSpec(path=kind(tmp_path), **{"max_length": 40, "validation": 0.1, **settings})
    prepare.prepare(plan(tmp_path, data, tokenizer), lambda done: None)
    train, held = without(data, tokenizer)
    found = PreparedSequences(tmp_path / "prepared")
    assert list(found) == train
    assert [found[-1], *found[0:2]] == [train[-1], *train[0:2]]
    assert validation_sequences(tmp_path / "prepared") == held
    assert found.manifest.longest == max(len(s.input_ids) for s in train)


@pytest.mark.parametrize("answers", ["all", "last"])
def test_trained_answers_of_earlier_turns_are_kept(tmp_path, tokenizer, answers):
    data = DataSpec(path=dialogues(tmp_path), max_length=70, answers=answers, validation=0.2)
    prepare.prepare(plan(tmp_path, data, tokenizer), lambda done: None)
    train, held = without(data, tokenizer)
    assert list(PreparedSequences(tmp_path / "prepared")) == train
    assert validation_sequences(tmp_path / "prepared") == held
    assert any(s.earlier for s in train) == (answers == "all")


def test_slices_that_hold_out_do_so_here_too(tmp_path, tokenizer):
    data = DataSpec(path=f"{texts(tmp_path)}[train:30,test:5]", max_length=20, validation=0.3)
    manifest = prepare.prepare(plan(tmp_path, data, tokenizer), lambda done: None)
    train, held = without(data, tokenizer)
    assert list(PreparedSequences(tmp_path / "prepared")) == train
    assert validation_sequences(tmp_path / "prepared") == held
    assert manifest.held_out == 5


def stopped(made: Plan, rows: int = 21) -> None:
    """Prepare until so many rows are done."""

    def stop(done: int) -> None:
        if done >= rows:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare.prepare(made, stop)
    assert not is_prepared(made.folder)


def test_what_is_stopped_goes_on_where_it_was(tmp_path, tokenizer):
    data = DataSpec(path=texts(tmp_path), max_length=16)
    made = plan(tmp_path, data, tokenizer, workers=1)
    stopped(made)
    first = made.folder / shard_name(0)
    before = first.stat().st_mtime_ns
    prepare.prepare(made, lambda done: None)
    assert first.stat().st_mtime_ns == before
    assert list(PreparedSequences(made.folder)) == without(data, tokenizer)[0]


def test_what_was_stopped_and_is_cut_otherwise_now_is_made_anew(tmp_path, tokenizer, monkeypatch):
    data = DataSpec(path=texts(tmp_path), max_length=16)
    made = plan(tmp_path, data, tokenizer, workers=1)
    stopped(made)
    monkeypatch.setattr(prepare, "CHUNK_ROWS", 10)
    prepare.prepare(made, lambda done: None)
    assert list(PreparedSequences(made.folder)) == without(data, tokenizer)[0]


def test_small_data_is_cut_into_small_chunks_and_large_into_larger_ones(monkeypatch):
    monkeypatch.setattr(prepare, "FIRST_BYTES", 10)
    monkeypatch.setattr(prepare, "CHUNK_BYTES", 30)
    monkeypatch.setattr(prepare, "CHUNK_ROWS", 100)
    rows = (Row(place="", text="abcde") for _ in range(400))
    sizes = [len(chunk) for chunk in prepare.chunks(rows)]
    assert sizes[:16] == [2] * 16 and sizes[16:32] == [4] * 16
    assert set(sizes[32:-1]) == {6} and sum(sizes) == 400


def test_the_number_of_workers_changes_nothing(tmp_path, tokenizer):
    data = DataSpec(path=talks(tmp_path), max_length=32)
    one, three = tmp_path / "one", tmp_path / "three"
    for folder, workers in ((one, 1), (three, 3)):
        folder.mkdir()
        prepare.prepare(Plan(folder, data, tokenizer, "key", "", workers), lambda done: None)
    assert list(PreparedSequences(one)) == list(PreparedSequences(three))


def test_sequences_travel_to_other_processes(tmp_path, tokenizer):
    data = DataSpec(path=texts(tmp_path), max_length=16)
    prepare.prepare(plan(tmp_path, data, tokenizer), lambda done: None)
    found = PreparedSequences(tmp_path / "prepared")
    assert found[3] == pickle.loads(pickle.dumps(found))[3]  # noqa: S301
    with pytest.raises(IndexError):
        found[len(found)]


def test_ids_are_mapped_not_read(tmp_path, tokenizer):
    data = DataSpec(path=texts(tmp_path), max_length=16)
    prepare.prepare(plan(tmp_path, data, tokenizer), lambda done: None)
    found = PreparedSequences(tmp_path / "prepared")
    assert not found._shard(0).ids.flags.owndata and not found._shard(0).ids.flags.writeable
    assert found._shard(0).ids.dtype == np.int32


@pytest.mark.parametrize(
    ("rows", "settings", "says"),
    [
        ([{"text": "ab"}], {"validation": 0.5}, None),
        ([{"prompt": "q" * 50, "completion": "a"}], {}, "no row fits into 16 tokens"),
        ([{"text": "ab"}, {"text": "é"}], {}, "no token for 'é'"),
        ([{"text": "ab"}, {"text": 3}], {}, "line 2"),
        ([{"input_ids": [5000]}], {}, "none of the tokenizer's"),
    ],
)
def test_what_is_wrong_with_a_row_is_said(tmp_path, tokenizer, rows, settings, says):
    data = DataSpec(path=write(tmp_path / "rows.jsonl", rows), max_length=16, **settings)
    made = plan(tmp_path, data, tokenizer)
    if says is None:
        prepare.prepare(made, lambda done: None)
        return
    with pytest.raises(DataError, match=says):
        prepare.prepare(made, lambda done: None)
    assert not is_prepared(made.folder)


# --- what prepared data depends on


def content(data: DataSpec) -> str:
    return fingerprint.of_data(data, lambda: None)[0]


def test_the_key_follows_content_and_settings_and_not_the_place(tmp_path):
    here = DataSpec(path=texts(tmp_path))
    (tmp_path / "there").mkdir()
    there = DataSpec(path=texts(tmp_path / "there"))
    assert content(here) == content(there)
    assert content(here) != content(here.model_copy(update={"max_length": 17}))
    assert content(here) != content(DataSpec(path=f"{here.path}[train:3]"))
    assert content(here) != content(DataSpec(path=f"2 * {here.path}"))
    texts(tmp_path, 61)
    assert content(here) != content(there)


def test_the_key_follows_how_the_same_bytes_are_read(tmp_path):
    file = Path(texts(tmp_path))
    as_text = file.with_suffix(".txt")
    as_text.write_bytes(file.read_bytes())
    assert content(DataSpec(path=str(file))) != content(DataSpec(path=str(as_text)))

    folder = tmp_path / "rows"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.jsonl").write_bytes(file.read_bytes())
    together = content(DataSpec(path=str(folder)))
    (folder / "b.jsonl").rename(folder / "test.jsonl")  # held out by its name
    assert content(DataSpec(path=str(folder))) != together

    info, keys = tmp_path / "dataset_info.json", []
    for entry in ({"columns": {"prompt": "text"}}, {"columns": {"prompt": "other"}}, {"num_samples": 3}):
        info.write_text(json.dumps({"mine": {"file_name": as_text.name, **entry}}))
        keys.append(content(DataSpec(path="mine", info=str(info))))
    assert len(set(keys)) == len(keys)


def test_rows_are_counted_where_that_is_known(tmp_path):
    assert fingerprint.of_data(DataSpec(path=texts(tmp_path)), lambda: None)[1] == 60
    assert fingerprint.of_data(DataSpec(path=texts(tmp_path), limit=7), lambda: None)[1] == 7
    assert fingerprint.of_data(DataSpec(builder="prose", options={"rows": 9}), lambda: None)[1] == 9


def test_builders_are_told_apart_by_options():
    one, two = (DataSpec(builder="sudoku", options={"rows": 3, "seed": n}) for n in (1, 2))
    assert content(one) == content(one) != content(two)


def test_a_mask_token_makes_no_other_tokenizer_but_other_letters_do(tokenizer):
    before = fingerprint.of_tokenizer(tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|other|>"]})
    tokenizer(["abc"], truncation=True, max_length=2)
    assert fingerprint.of_tokenizer(tokenizer) == before
    assert fingerprint.of_tokenizer(character_tokenizer("abc")) != before


def test_the_key_follows_added_tokens_but_not_the_mask():
    inner = Tokenizer(models.WordLevel({"a": 0, "<eos>": 1}, unk_token="<eos>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<eos>")
    keys = [fingerprint.key_of("content", "tokenizer", tokenizer)]
    for added in ({"mask_token": "<|mask|>"}, {"additional_special_tokens": ["<|other|>"]}):
        tokenizer.add_special_tokens(added)
        keys.append(fingerprint.key_of("content", "tokenizer", tokenizer))
    assert keys[0] == keys[1] != keys[2]
