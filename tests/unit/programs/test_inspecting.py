"""The process that looks at data: previews by the real objectives, pages, versions, long questions."""

import itertools
import json
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from jobs.data.checks.report import check_source
from jobs.data.load import load_rows
from jobs.diffusion.objectives import OBJECTIVES
from jobs.programs import prepare
from jobs.programs.inspect import answer
from jobs.programs.inspecting.looks import figures, preview
from jobs.programs.inspecting.pages import page
from jobs.programs.inspecting.tasks import Tasks
from jobs.programs.inspecting.versions import lineage_file, write_version
from jobs.programs.process import main
from jobs.protocol.errors import DataError, SpecError
from jobs.protocol.folder import RunFolder
from jobs.specs.data import DataSpec
from jobs.specs.inspect import PreviewAsk, RowsAsk, StatisticsAsk, VersionAsk, parse_ask
from tests.fakes.processes import until

STORIES = str(Path(__file__).parents[3] / "assets" / "models" / "stories")
MODEL = {"path": STORIES}


def talk(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


ROWS = [talk("Tell me a story.", "One day Finn found a jar. " * n) for n in (1, 2, 3)]


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(ROWS[0]), '{"messages": 3}', json.dumps(ROWS[1]), "{", json.dumps(ROWS[2])]
    path.write_text("\n".join(lines))
    return {"path": str(path), "max_length": 64}


def look(data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return preview(PreviewAsk.parse({"data": data, "model": MODEL, "rows": 3, **more}))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_preview_tells_every_token_apart(data: dict[str, Any], name: str):
    told = look(data, objective={"name": name})
    assert told["objective"] == name and len(told["rows"]) == 3
    for row in told["rows"]:
        sizes = {len(row[key]) for key in ("texts", "kinds", "masked", "weights")}
        assert len(sizes) == 1 and row["real"] <= sizes.pop()
        assert set(row["kinds"]) <= set(told["legend"])
        assert row["kinds"][0] == "prompt" and "end" in row["kinds"]
        assert not any(
            m and k in ("prompt", "padding") for m, k in zip(row["masked"], row["kinds"], strict=True)
        )
        assert all((w > 0) <= bool(m) for w, m in zip(row["weights"], row["masked"], strict=True))
    assert sum(told["share"].values()) == pytest.approx(1, abs=0.01)
    assert told["masked"] == sum(sum(row["masked"]) for row in told["rows"]) <= told["maskable"]
    assert len(told["attention"]["cells"]) == len(told["attention"]["cells"][0]) <= 48


def test_blocks_and_filling_are_those_of_the_training(data: dict[str, Any]):
    told = look(data, objective={"name": "bd3lm", "block_size": 8})
    for row in told["rows"]:
        assert len(row["texts"]) % 8 == 0 or "padding" in row["kinds"]
        assert row["blocks"][:9] == [0] * 8 + [1]
    assert told["block_size"] == 8 and "blocks before it" in told["attention"]["sentence"]
    assert told["attention"]["positions"] == 2 * len(told["rows"][0]["texts"])


@pytest.mark.parametrize(
    ("words", "objective", "answers"),
    [
        ({}, "llada", 1),
        ({"answers": "all"}, "llada", 2),
        ({}, "ar-sft", 2),
        ({"answers": "last"}, "ar-sft", 1),
    ],
)
def test_trained_answers_of_earlier_turns_are_seen(data: dict, words: dict, objective: str, answers: int):
    turns = talk("Tell me a story.", "One day Finn found a jar.")["messages"]
    Path(data["path"]).write_text(json.dumps({"messages": [*turns, *turns]}))
    (row,) = look({**data, **words, "max_length": 128}, objective={"name": objective}, rows=1)["rows"]
    kinds = ["prompt" if kind == "prompt" else "trained" for kind in row["kinds"]]
    assert [kind for kind, _ in itertools.groupby(kinds)] == ["prompt", "trained"] * answers
    assert all(kind != "prompt" for kind, weight in zip(row["kinds"], row["weights"], strict=True) if weight)


def test_padding_is_told_from_trained_ends(data: dict[str, Any]):
    told = look({**data, "append_eos": False}, objective={"name": "mdlm"})
    shortest = told["rows"][0]
    assert shortest["kinds"][-1] == "padding" and "Nobody sees padding" in told["attention"]["sentence"]


@pytest.mark.parametrize(("level", "masked"), [(0.0, 0), (1.0, 1)])
def test_the_ends_of_the_slider(data: dict[str, Any], level: float, masked: int):
    told = look(data, objective={"name": "mdlm"}, level=level)
    assert told["masked"] == pytest.approx(masked * told["maskable"], abs=2)


def test_packed_texts_are_full_sequences():
    told = look({"builder": "prose", "options": {"rows": 50}, "max_length": 48}, objective={"name": "llada"})
    assert told["packed"] and [row["real"] for row in told["rows"]] == [48, 48, 48]
    assert {kind for row in told["rows"] for kind in row["kinds"]} <= {"text", "end"}


def test_texts_kept_apart_are_seen_so(tmp_path: Path):
    path = lines(tmp_path, "texts.jsonl", [{"text": f"Finn found {n} jars."} for n in range(40)])
    data = {"path": path, "max_length": 48, "separate_documents": True}
    told = look(data, objective={"name": "llada"})
    assert "Texts in one sequence do not see each other" in told["attention"]["sentence"]
    assert "0" in told["attention"]["cells"][0]


def lines(folder: Path, name: str, rows: list[Any]) -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def sources(folder: Path) -> dict[str, tuple[dict[str, Any], int]]:
    """What data may come from -> (its spec, bad rows in what a training reads of it)."""
    one = lines(folder, "one.jsonl", [talk("One?", f"{n}.") for n in range(8)])
    two = lines(folder, "two.jsonl", [{"q": "Two?", "a": f"{n}."} for n in range(6)] + [{"q": 2, "a": "x"}])
    lines(folder, "both/train.jsonl", [talk("A?", "a."), {"messages": 1}, talk("B?", "b.")])
    lines(folder, "both/test.jsonl", [talk("C?", "c.")])
    entry = {"mine": {"file_name": "two.jsonl", "columns": {"prompt": "q", "response": "a"}}}
    (folder / "dataset_info.json").write_text(json.dumps(entry))
    columns = {"prompt": "q", "completion": "a"}
    return {
        "a mix": ({"path": f"{one}[train:4] + 2 * {folder}/both"}, 1),
        "a slice that holds out": ({"path": f"{folder}/both[train,test]"}, 1),
        "a hash that holds out": ({"path": f"{one}[train:5,test:2]", "validation": 0.5}, 0),
        "a folder": ({"path": f"{folder}/both"}, 1),
        "columns": ({"path": two, "columns": columns, "format": "prompt_completion"}, 1),
        "dataset_info.json": ({"path": "mine", "info": f"{folder}/dataset_info.json"}, 1),
        "a builder": ({"builder": "stories", "options": {"rows": 5, "seed": 3}}, 0),
        "a limit": ({"path": one, "limit": 3}, 0),
    }


SOURCES = list(sources(Path(tempfile.mkdtemp())))


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_looked_at_is_what_a_training_reads(tmp_path: Path, name: str):
    given, bad = sources(tmp_path)[name]
    spec = DataSpec.parse({**given, "on_bad_rows": "skip", "max_length": 64})
    read = load_rows(spec)
    rows = [*read.rows, *(read.held_out or [])]
    words = {"data": spec.model_dump(mode="json"), "model": MODEL}
    told = page(RowsAsk.parse({**words, "rows": 50}))["rows"]
    good = [row for row in told if not row["problem"]]
    assert [row["place"] for row in good] == [row.place for row in rows] and len(told) == len(good) + bad
    assert [row["place"] for row in good if not row["held_out"]] == [row.place for row in read.rows]
    checked = check_source(spec).data()
    assert (checked["good"], checked["bad_rows"]) == (len(rows), bad)
    counted = figures(StatisticsAsk.parse(words))
    assert (counted["rows"], counted["bad_rows"]) == (len(rows), bad)
    seen = preview(PreviewAsk.parse({**words, "rows": 32}))
    assert seen["places"] == [row.place for row in read.rows]


def test_prepared_data_is_seen_as_its_training_sees_it(tmp_path: Path):
    folder = sources(tmp_path)["a folder"][0]["path"]
    given = {"path": folder, "max_length": 64, "on_bad_rows": "skip", "validation": 0}
    spec = {"kind": "prepare", "data": given, "tokenizer": STORIES, "workers": 1}
    run = RunFolder.create(tmp_path / "runs", "prepare", spec)
    assert main("prepare", prepare.run, [str(run.path)]) == 0
    data = {"path": str(run.prepared)}
    one, two = look(given), look(data)
    assert one["rows"] == two["rows"] and one["attention"] == two["attention"]
    assert page(RowsAsk.parse({"data": data, "model": MODEL}))["rows"][1]["count"] == 7
    assert figures(StatisticsAsk.parse({"data": data, "model": MODEL}))["rows"] == 2
    with pytest.raises(DataError, match="trained on whole and alone"):
        look({"path": f"2 * {run.prepared}"})


def test_the_template_is_the_one_asked_for(data: dict[str, Any]):
    new = {"new": {"architecture": "bert", "tokenizer": "characters:abcdefghijklmnopqrstuvwxyz .?<|_>\n"}}
    lower = {"messages": [{"role": "user", "content": "who?"}, {"role": "assistant", "content": "finn."}]}
    Path(data["path"]).write_text(json.dumps(lower))
    told = page(RowsAsk.parse({"data": {**data, "template": "chatml"}, "model": new}))
    assert told["rows"][0]["text"].startswith("<|im_start|>user") and told["template"] == "chatml"


def test_figures_count_bad_rows(data: dict[str, Any]):
    told = figures(StatisticsAsk.parse({"data": data, "model": MODEL}))
    assert (told["rows"], told["bad_rows"]) == (3, 2) and told["scripts"] == {"Latin": 3}


def test_a_page_has_rows_raw_rendered_and_as_tokens(data: dict[str, Any]):
    told = page(RowsAsk.parse({"data": data, "model": MODEL, "rows": 3}))
    assert [row["number"] for row in told["rows"]] == [0, 1, 2] and told["more"]
    first, bad, _ = told["rows"]
    assert first["raw"] == ROWS[0] and first["text"].startswith("[USER]Tell me a story.")
    assert len(first["tokens"]) == first["count"] and "".join(first["tokens"]).startswith("[USER]")
    assert bad["text"] is None and "must be a list of messages" in bad["problem"]


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ({"first": 3}, [3, 4]),
        ({"bad": True}, [1, 3]),
        ({"search": "JAR. ONE"}, [2, 4]),
        ({"search": "nope"}, []),
    ],
)
def test_pages_are_searched(data: dict[str, Any], words: dict[str, Any], numbers: list[int]):
    told = page(RowsAsk.parse({"data": data, **words}))
    assert [row["number"] for row in told["rows"]] == numbers and not told["more"]


def test_a_version_has_the_edits_and_its_lineage_and_the_source_is_as_it_was(
    data: dict[str, Any], tmp_path: Path
):
    before = Path(data["path"]).read_bytes()
    new = talk("Who?", "Finn.")
    target = tmp_path / "rows-v2.jsonl"
    ask = {"data": data, "edits": {"1": new}, "excluded": [2], "target": str(target), "note": "mended"}
    lineage = write_version(VersionAsk.parse(ask))
    assert [json.loads(line) for line in target.read_text().splitlines()] == [ROWS[0], new, ROWS[2]]
    assert Path(data["path"]).read_bytes() == before
    assert lineage["bad_rows"] == {"json": 1} and lineage["edited"] == [1] and lineage["excluded"] == [2]
    assert lineage["rows_read"] == lineage["rows"] + lineage["rows_excluded"] + 1
    assert json.loads(lineage_file(target).read_text())["source"] == data["path"]
    with pytest.raises(DataError, match="is there already"):
        write_version(VersionAsk.parse(ask))


def test_a_version_of_renamed_rows_reads_without_the_new_names(tmp_path: Path):
    given = sources(tmp_path)["columns"][0]
    ask = {"data": given, "edits": {"1": talk("Who?", "Finn.")}, "target": str(tmp_path / "v.jsonl")}
    lineage = write_version(VersionAsk.parse(ask))
    read = load_rows(DataSpec(path=lineage["path"])).rows
    assert [row.messages[1].content for row in read] == ["0.", "Finn.", "2.", "3.", "4.", "5."]
    assert lineage["bad_rows"] == {"type": 1} and lineage["source_sha256"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"excluded": [9]}, "there is no row 10; the source has 5"),
        ({"excluded": [0, 2, 4]}, "no row would be left"),
        ({"edits": {"0": {"pixels": 1}}}, "the edited row 1: the fields 'pixels' are in no known form"),
    ],
)
def test_a_version_that_cannot_be_leaves_nothing(data: dict[str, Any], tmp_path: Path, words: dict, why: str):
    target = tmp_path / "new" / "rows-v2.jsonl"
    with pytest.raises(DataError, match=why):
        write_version(VersionAsk.parse({"data": data, "target": str(target), **words}))
    assert not target.parent.exists() or not list(target.parent.iterdir())


def test_a_long_question_is_worked_on_once_and_asked_again(data: dict[str, Any]):
    tasks, go, worked = Tasks(), threading.Event(), []

    def work(report: Any) -> dict[str, Any]:
        worked.append(1)
        report(7)
        assert go.wait(20)
        return {"rows": 9}

    assert tasks.ask("key", work)["state"] == "running"
    until(lambda: tasks.ask("key", work) == {"state": "running", "rows": 7}, seconds=20, what="progress")
    assert tasks.busy
    go.set()
    until(lambda: tasks.ask("key", work) == {"state": "done", "rows": 9}, seconds=20, what="the answer")
    assert worked == [1] and not tasks.busy


def test_a_question_that_fails_says_why_and_can_be_asked_anew():
    tasks = Tasks()

    def work(report: Any) -> dict[str, Any]:
        raise DataError("no such thing")

    def failed() -> bool:
        return tasks.ask("key", work) == {"state": "failed", "error": "no such thing"}

    until(failed, seconds=20, what="the failure")
    until(failed, seconds=20, what="the second failure")


def test_what_the_program_answers(data: dict[str, Any]):
    told = answer(parse_ask({"op": "rows", "data": data, "rows": 1}), Tasks())
    assert len(told["rows"]) == 1
    assert check_source(DataSpec.parse(data)).bad == {"row": 1, "json": 1}
    with pytest.raises(SpecError, match="Unknown op 'dance'"):
        parse_ask({"op": "dance"})
