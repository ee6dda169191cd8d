"""The process that looks at data: previews by the real objectives, pages, versions, long questions."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from jobs.diffusion.objectives import OBJECTIVES
from jobs.programs.inspect import answer, check
from jobs.programs.inspecting.looks import figures, preview
from jobs.programs.inspecting.pages import page
from jobs.programs.inspecting.tasks import Tasks
from jobs.programs.inspecting.versions import lineage_file, write_version
from jobs.protocol.errors import DataError, SpecError
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
    assert check(DataSpec.parse(data))["bad"] == {"row": 1, "json": 1}
    with pytest.raises(SpecError, match="Unknown op 'dance'"):
        parse_ask({"op": "dance"})
