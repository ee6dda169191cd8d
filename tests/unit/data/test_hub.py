"""Data sets of the Hub, without one: `datasets` is told to read a folder in its place."""

import datasets
import pytest
from datasets.exceptions import DatasetNotFoundError

from jobs.data.hub import splits
from jobs.data.load import load_rows, look
from jobs.protocol.errors import DataError
from jobs.specs.data import DataSpec

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A stand-in for the Hub: (id, subset, revision) of every question, answered from a folder."""
    for split, count in (("train", 5), ("test", 3)):
        rows = "".join(f'{{"question": "{split} {n}?", "answer": "{n}"}}\n' for n in range(count))
        (tmp_path / f"{split}.jsonl").write_text(rows)
    splits.cache_clear()
    load, names, asked = datasets.load_dataset, datasets.get_dataset_split_names, []

    def load_dataset(path, name, *, split, revision, streaming):
        asked.append((path, name, revision))
        assert streaming
        return load(str(tmp_path), split=split, streaming=True)

    def split_names(path, name, *, revision):
        asked.append((path, name, revision))
        return names(str(tmp_path))

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(datasets, "get_dataset_split_names", split_names)
    return asked


def test_who_looks_sees_the_rows_of_the_training(hub):
    data = DataSpec(
        path=f"0.5 * openai/gsm8k:main@{COMMIT}[train:4,test:1]",
        columns={"prompt": "question", "completion": "answer"},
    )
    found, read = list(look(data)), load_rows(data)
    assert [row.row for row in found if not row.held_out] == read.rows and len(read.rows) == 2
    assert [row.row for row in found if row.held_out] == read.held_out


def read(path):
    return load_rows(DataSpec(path=path, columns={"prompt": "question", "completion": "answer"}))


def test_rows_of_the_commit_asked_for(hub):
    found = read(f"openai/gsm8k:main@{COMMIT}[train:3,test:2]")
    assert set(hub) == {("openai/gsm8k", "main", COMMIT)}
    assert [row.messages[0].content for row in found.rows] == ["train 0?", "train 1?", "train 2?"]
    assert [row.place for row in found.held_out] == ["openai/gsm8k, test row 1", "openai/gsm8k, test row 2"]
    assert f"openai/gsm8k@{COMMIT[:7]}" in found.note


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (DatasetNotFoundError("x"), "no such data set at this commit"),
        (ConnectionError("no route"), "cannot be read from the Hub: no route"),
    ],
)
def test_a_hub_that_does_not_answer_is_a_sentence(hub, monkeypatch, error, says):
    def fail(*given, **named):
        raise error

    monkeypatch.setattr(datasets, "get_dataset_split_names", fail)
    with pytest.raises(DataError, match=says):
        read(f"openai/gsm8k@{COMMIT}")
