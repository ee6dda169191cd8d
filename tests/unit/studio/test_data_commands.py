"""prepare, convert-data, check-data and preview on the command line."""

import json
from pathlib import Path

import pytest

from jobs.programs.inspect import answer
from jobs.programs.inspecting.tasks import Tasks
from jobs.protocol.folder import read_json, write_json
from jobs.specs.inspect import parse_ask
from studio.cli.prepare import data_spec

STORIES = Path(__file__).parents[3] / "assets" / "models" / "stories"
TURNS = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Finn."}]


@pytest.fixture
def talks(tmp_path):
    path = tmp_path / "talks.jsonl"
    path.write_text("".join(json.dumps({"messages": TURNS, "id": n}) + "\n" for n in range(3)))
    return str(path)


@pytest.fixture
def prepared(program):
    """The specs of the prepare jobs that ran, which only say that they are done."""
    specs = []

    def run(run, attempt):
        specs.append(read_json(run.spec_json))
        counts = {"rows": 1200, "tokens": 34000, "sequences": 90, "validation": 7, "bad_rows": {"empty": 2}}
        write_json(run.result_json, {"attempt": attempt.number, "status": "succeeded", **counts})
        return 0

    program["prepare"] = run
    return specs


# --- prepare


def test_data_is_prepared_for_a_tokenizer(studio, prepared, talks):
    code, out, err = studio(
        *("prepare", talks, "--tokenizer", "stories", "--max-length", "64", "--set", "packing=false")
    )
    assert code == 0 and out == "run:prepare-0001\n"
    assert "1,200 rows to train on, 34,000 tokens, 90 sequences; 7 sequences held out" in err
    assert "2 bad rows left out" in err and "--set 'data={path: run:prepare-0001}'" in err
    (spec,) = prepared
    assert (spec["data"]["path"], spec["data"]["max_length"], spec["data"]["packing"]) == (talks, 64, False)
    assert spec["tokenizer"].endswith("stories")


def test_a_train_spec_says_which_data_and_tokenizer_and_takes_the_hint(studio, prepared, spec):
    code, _, told = studio("prepare", spec, "--max-length", "32", "--workers", "3")
    assert code == 0
    assert prepared[0]["data"]["builder"] == "sudoku"
    assert prepared[0]["data"]["options"] == {"size": 4, "rows": 20}
    assert (prepared[0]["tokenizer"], prepared[0]["workers"]) == ("characters:1234", 3)
    assert prepared[0]["data"]["max_length"] == 32
    code, _, err = studio("run", spec, "--set", told.split("--set '")[1].split("'")[0])
    assert code == 2 and "run:prepare-0001 is no preparation" in err  # the stand-in left no data


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["talks.jsonl"], "say for which model: --tokenizer"),
        (["convert.yaml"], "is a convert job"),
        (["stories-instructions", "--tokenizer", "nobody"], "there is no tokenizer 'nobody'"),
        (["nowhere", "--tokenizer", "stories"], "nowhere"),
        (["stories-instructions", "--tokenizer", "stories", "--set", "packing"], "write key=value"),
    ],
)
def test_what_cannot_be_prepared_is_a_sentence(studio, prepared, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "convert.yaml").write_text("kind: convert\nsource: a/b\n")
    code, _, err = studio("prepare", *words)
    assert code == 2 and says in err and not prepared


@pytest.mark.parametrize("data", ["sudoku", "stories-instructions", "a[train:3] + 0.5 * b"])
def test_builders_are_told_from_files(data):
    key = "builder" if data == "sudoku" else "path"
    assert data_spec(data, ["limit=3"]) == {key: data, "limit": 3}


# --- convert-data


def test_rows_are_written_in_another_form_and_losses_told(studio, talks, tmp_path):
    target = tmp_path / "alpaca.jsonl"
    code, out, _ = studio("convert-data", talks, str(target), "--to", "alpaca")
    assert code == 0 and "3 rows written as alpaca" in out and "Lost in 3 rows: " in out
    assert [json.loads(line) for line in target.read_text().splitlines()] == [
        {"instruction": "Who?", "input": "", "output": "Finn."}
    ] * 3


def test_a_form_that_keeps_everything_says_so(studio, tmp_path):
    source, target = tmp_path / "a.txt", tmp_path / "b.jsonl"
    source.write_text("One.\n\nTwo.\n")
    code, out, _ = studio("convert-data", str(source), str(target), "--to", "text")
    assert code == 0 and "Nothing was lost." in out
    assert [json.loads(line)["text"] for line in target.read_text().splitlines()] == ["One.", "Two."]


def test_columns_of_other_names_are_read(studio, tmp_path):
    source, target = tmp_path / "a.csv", tmp_path / "b.jsonl"
    source.write_text("question,reply\nWho?,Finn.\n")
    code, _, _ = studio(
        *("convert-data", str(source), str(target), "--set", "columns={prompt: question, completion: reply}")
    )
    assert code == 0 and json.loads(target.read_text())["messages"] == TURNS


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere.jsonl", "b.jsonl"], "there is no such file"),
        (["talks.jsonl", "talks.jsonl"], "there already"),
        (["talks.jsonl", "b.xlsx"], "xlsx"),
        (["talks.jsonl", "b.jsonl", "--to", "sharegpt"], "sharegpt"),
    ],
)
def test_what_cannot_be_converted_is_a_sentence(studio, talks, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    code, _, err = studio("convert-data", *words)
    assert code == 2 and says in err and not (tmp_path / "b.jsonl").exists()


# --- preview


@pytest.mark.parametrize("objective", ["mdlm", "bd3lm"])
def test_the_preview_is_the_one_of_the_page(studio, talks, objective):
    code, out, _ = studio(
        *(
            "preview",
            talks,
            "--objective",
            objective,
            "--level",
            "0.3",
            "--rows",
            "2",
            "--first",
            "1",
            "--json",
        )
    )
    asked = {"data": {"path": talks}, "model": {"path": str(STORIES)}, "objective": {"name": objective}}
    words = {"op": "preview", **asked, "level": 0.3, "rows": 2, "first": 1}
    assert code == 0 and json.loads(out) == answer(parse_ask(words), Tasks())


@pytest.mark.parametrize(("level", "masked"), [("0", 0), ("1", 1)])
def test_the_picture_needs_no_colour(studio, talks, monkeypatch, level, masked):
    monkeypatch.setenv("NO_COLOR", "1")
    code, out, _ = studio("preview", talks, "--objective", "bd3lm", "--level", level, "--rows", "1")
    assert code == 0 and "\x1b" not in out
    picture = out.split("tokens\n")[1].split("\n\n")[0]
    assert picture.startswith("‹[USER]") and "›" in picture
    assert ("░" in picture and "▒" in picture) == bool(masked)
    assert ("Finn" in picture and "¶" in picture) != bool(masked)
    assert "│ blocks of 32 tokens" in out and "A line is tokens that look" in out


def test_an_unknown_objective_is_a_sentence(studio, talks):
    code, _, err = studio("preview", talks, "--objective", "noise")
    assert code == 2 and "there is no objective 'noise'; known: llada" in err
