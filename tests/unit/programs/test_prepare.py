"""The prepare job, and trainings that read what it made."""

import json
import os

import pytest

from jobs.data.prepared import PreparedSequences
from jobs.models.tokenizers import character_tokenizer
from jobs.programs import prepare
from jobs.programs.process import Process, Stopped, main
from jobs.programs.training import ahead
from jobs.programs.training.corpus import load_corpus
from jobs.protocol.errors import DataError, ResourceError, SpecError
from jobs.protocol.events import read_events
from jobs.protocol.folder import RunFolder, read_json
from jobs.specs.data import DataSpec
from jobs.specs.diffusion_config import DiffusionConfig
from jobs.specs.job import TrainSpec

LETTERS = "abcdefghijklmnopqrstuvwxyzASU: 0123456789\n"
CONFIG = DiffusionConfig(mask_token_id=2)
OBJECTIVES = [{"name": "llada"}, {"name": "mdlm"}, {"name": "bd3lm", "block_size": 8}]


@pytest.fixture
def talks(tmp_path):
    rows = [{"prompt": "q" * (n % 9), "completion": f"a {n}"} for n in range(80)]
    (tmp_path / "talks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"path": str(tmp_path / "talks.jsonl"), "max_length": 40, "validation": 0.1}


def prepared(tmp_path, data, **changes):
    """The run of a prepare job."""
    spec = {"kind": "prepare", "data": data, "tokenizer": f"characters:{LETTERS}", "workers": 1, **changes}
    run = RunFolder.create(tmp_path / "runs", "prepare", spec)
    assert main("prepare", prepare.run, [str(run.path)]) == 0
    return run


def corpus(tmp_path, data, letters=LETTERS, objective=OBJECTIVES[0]):
    given = {"kind": "train", "model": {"path": "m"}, "data": data, "objective": objective}
    spec = TrainSpec.parse(given)
    run = RunFolder.create(tmp_path / "runs", "train", spec.model_dump(mode="json"))
    process = Process(run, run.new_attempt(), spec)
    return load_corpus(process, character_tokenizer(letters), CONFIG, None, lambda: None), process


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: objective["name"])
def test_a_training_sees_the_same_with_and_without(tmp_path, talks, objective):
    run = prepared(tmp_path, talks)
    folder = read_json(run.result_json)["prepared"]
    assert folder == str(run.prepared)
    one, _ = corpus(tmp_path, talks, objective=objective)
    two, process = corpus(tmp_path, {"path": folder}, objective=objective)
    assert isinstance(two.train, PreparedSequences) and not two.has_pictures
    assert list(two.train) == one.train and two.validation == one.validation
    assert (two.kind, two.collator) == (one.kind, one.collator)
    assert process.spec.data.max_length == 40


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: objective["name"])
def test_a_training_prepares_large_data_first_and_sees_the_same(tmp_path, talks, objective):
    with open(talks["path"], "a") as file:
        file.write("{\n")
    data = {**talks, "max_length": 45, "on_bad_rows": "skip"}
    one, _ = corpus(tmp_path, data, objective=objective)
    two, process = corpus(tmp_path, {**data, "ahead": "always"}, objective=objective)
    assert isinstance(two.train, PreparedSequences) and not isinstance(one.train, PreparedSequences)
    assert list(two.train) == one.train and two.validation == one.validation
    assert (two.collator, two.bad) == (one.collator, one.bad) and one.bad == {"json": 1}
    assert two.train.folder.parent == process.run.prepared


def test_rows_that_were_read_are_no_steps_of_the_training(tmp_path, talks):
    _, process = corpus(tmp_path, talks)
    told = [event for _, event in read_events(process.run.events) if event["event"] == "progress"]
    assert [(event["step"], event["total"]) for event in told][-1] == (0, 0)


def test_what_a_training_prepared_the_next_one_finds(tmp_path, talks):
    home = str(tmp_path / "home")
    data = {**talks, "ahead": "always", "ahead_folder": home}
    first, _ = corpus(tmp_path, data)
    mark = (first.train.folder / "prepared.json").stat().st_mtime_ns
    second, _ = corpus(tmp_path, data)
    assert second.train.folder == first.train.folder == tmp_path / "home" / first.train.folder.name
    assert (second.train.folder / "prepared.json").stat().st_mtime_ns == mark
    assert read_json(prepared(tmp_path, talks, folder=home).result_json)["prepared"] == str(
        first.train.folder
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"ahead": "always"}, True),
        ({"path": "LARGE"}, True),
        ({"path": "LARGE", "ahead": "never"}, False),
        ({"path": "LARGE", "limit": 1000}, False),
        ({"path": None, "builder": "prose"}, False),
    ],
)
def test_large_data_are_prepared_first(tmp_path, talks, monkeypatch, changes, expected):
    monkeypatch.setattr(ahead, "LARGE", 5000)
    (tmp_path / "large.jsonl").write_text('{"text": "a"}\n' * 1000)
    changed = (
        {**changes, "path": str(tmp_path / "large.jsonl")} if changes.get("path") == "LARGE" else changes
    )
    assert ahead.is_ahead(DataSpec.parse({**talks, **changed})) == expected


def test_other_ranks_wait_for_the_files_and_leave_with_the_first(tmp_path):
    class Rank:
        attempt = RunFolder.create(tmp_path / "runs", "train", {}).new_attempt()

        def stop_requested(self) -> bool:
            return False

    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "prepared.json").touch()
    ahead.wait_for(folder, Rank())
    (folder / "prepared.json").unlink()
    Rank.attempt.stop.touch()
    with pytest.raises(Stopped):
        ahead.wait_for(folder, Rank())
    with prepare.alone(folder):
        assert ahead.is_locked(folder)
    assert not ahead.is_locked(folder)


def test_bad_rows_are_dealt_with_as_decided(tmp_path, talks):
    path = tmp_path / "talks.jsonl"
    clean = prepared(tmp_path, {**talks, "on_bad_rows": "skip"})
    path.write_text('{"prompt": "q"\n' + path.read_text() + '{"prompt": 7, "completion": "a"}\n')
    run = prepared(tmp_path, {**talks, "on_bad_rows": "quarantine"})
    told = read_json(run.result_json)
    assert sum(told["bad_rows"].values()) == 2 == len(run.bad_rows.read_text().splitlines())
    assert (
        told["rows"] == read_json(clean.result_json)["rows"] and not read_json(clean.result_json)["bad_rows"]
    )


def test_the_same_is_made_once(tmp_path, talks):
    cache = str(tmp_path / "cache")
    one, two = (prepared(tmp_path, talks, folder=cache) for _ in range(2))
    assert read_json(one.result_json)["prepared"] == read_json(two.result_json)["prepared"]
    told = [event.get("text", "") for _, event in read_events(two.events)]
    assert any("holds this already: same content, tokenizer and settings" in text for text in told)
    third = prepared(tmp_path, {**talks, "max_length": 41}, folder=cache)
    assert read_json(third.result_json)["prepared"] != read_json(one.result_json)["prepared"]
    assert len(os.listdir(cache)) == 2


def test_progress_and_what_was_made_are_told(tmp_path, talks):
    run = prepared(tmp_path, talks)
    events = [event for _, event in read_events(run.events)]
    assert [e["text"] for e in events if e["event"] == "phase"] == ["reading the source", "tokenizing"]
    assert [(e["step"], e["total"]) for e in events if e["event"] == "progress"][-1] == (80, 80)
    result = read_json(run.result_json)
    assert result["rows"] == result["sequences"] and result["validation"] + result["rows"] == 80


@pytest.mark.parametrize(
    ("letters", "objective", "error", "says"),
    [
        (LETTERS[::-1], OBJECTIVES[0], DataError, "with another tokenizer"),
        (LETTERS, {"name": "bd3lm", "block_size": 16}, SpecError, "no whole blocks"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, talks, letters, objective, error, says):
    folder = str(prepared(tmp_path, talks).prepared)
    with pytest.raises(error, match=says):
        corpus(tmp_path, {"path": folder}, letters, objective)


def test_a_stopped_preparation_is_stopped_and_goes_on(tmp_path, talks):
    spec = {"kind": "prepare", "data": talks, "tokenizer": f"characters:{LETTERS}", "workers": 1}
    run = RunFolder.create(tmp_path / "runs", "prepare", spec)
    run.new_attempt().stop.touch()
    attempt = run.latest_attempt()
    os.environ["DLLM_STUDIO_ATTEMPT"] = str(attempt.number)
    try:
        assert main("prepare", prepare.run, [str(run.path)]) == 0
    finally:
        del os.environ["DLLM_STUDIO_ATTEMPT"]
    assert read_json(run.result_json)["status"] == "stopped"
    assert main("prepare", prepare.run, [str(run.path)]) == 0
    assert read_json(run.result_json)["status"] == "succeeded"


def test_two_jobs_do_not_write_one_folder(tmp_path):
    folder = tmp_path / "one"
    with prepare.alone(folder), pytest.raises(ResourceError, match="Another job"), prepare.alone(folder):
        pass
