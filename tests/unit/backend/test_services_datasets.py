"""The list of data sets, previews, and what is refused."""

import bz2
import gzip
import json
import lzma
import tracemalloc
from pathlib import Path

import pytest

from backend.services import first_rows
from backend.services.datasets import DatasetService
from jobs.protocol.errors import AccessError, DataError
from jobs.specs.mix import parse


@pytest.fixture
def service(tmp_path: Path) -> DatasetService:
    bundled, home = tmp_path / "assets" / "data", tmp_path / "home" / "datasets"
    bundled.mkdir(parents=True)
    home.mkdir(parents=True)
    rows = [{"messages": [{"role": "user", "content": f"hello {n}"}]} for n in range(7)]
    (bundled / "chat.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "\n")
    return DatasetService(tmp_path / "home", tmp_path / "assets")


def add(service: DatasetService, name: str, text: str | bytes) -> Path:
    path = service.roots["home"] / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_files_and_builders_are_listed(service: DatasetService):
    add(service, "notes.txt", "one\n\ntwo\n")
    add(service, "ignored.pdf", "a,b")
    add(service, "dataset_info.json", "{}")
    add(service, "notes.lineage.json", "{}")
    views = {view.name: view for view in service.list()}
    assert views["chat"].rows == 7 and views["chat"].rows_exact and views["chat"].format == "messages"
    assert views["notes"].rows == 2 and views["notes"].format == "text" and views["notes"].source == "home"
    assert views["sudoku"].source == "builder" and views["sudoku"].options[0]["name"] == "size"
    assert not {"ignored", "dataset_info", "notes.lineage"} & set(views)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"prompt,completion\nq,a\nq,b\n", ("messages", 2, "")),
        ("a.tsv", b"text\tid\nhello\t1\n", ("text", 1, "")),
        ("a.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 3, mtime=0), ("text", 3, "")),
        ("a.txt.xz", lzma.compress(b"a\nb\n"), ("text", 2, "")),
        ("a.jsonl.bz2", bz2.compress(b'{"text": "a"}\n'), ("text", 1, "")),
        ("a.jsonl.gz", b"none", ("unknown", None, "a.jsonl.gz is no whole .gz file")),
        ("a.jsonl.zst", b"any", ("unknown", None, "")),
        ("a.parquet", b"any", ("unknown", None, "")),
        ("a.arrow", b"any", ("unknown", None, "")),
    ],
)
def test_all_that_can_be_read_is_listed(service: DatasetService, name: str, content: bytes, expected: tuple):
    path = add(service, name, content)
    view = service.get("a")
    form, rows, problem = expected
    assert (view.format, view.rows) == (form, rows) and view.problem.startswith(problem)
    assert bool(view.problem) == bool(problem) and view.size_bytes == (0 if problem else len(content))
    assert service.resolve("a") == service.resolve(name) == path
    if view.note:
        with pytest.raises(DataError, match="the Data tab"):
            service.preview("a")


def test_folders_and_prepared_data_are_listed(service: DatasetService):
    shelf = service.roots["home"] / "shelf" / "train"
    shelf.mkdir(parents=True)
    (service.roots["home"] / "empty").mkdir()
    (shelf / "1.jsonl").write_text('{"text": "a"}\n')
    made = service.prepared / "0123456789abcdef"
    made.mkdir(parents=True)
    manifest = {"data": {"path": "/d/web.jsonl", "max_length": 64}, "kind": "text"}
    (made / "prepared.json").write_text(json.dumps({**manifest, "sequences": [2, 3], "tokens": [20, 30]}))
    views = {view.name: view for view in service.list()}
    assert views["shelf"].format == "text" and "1 file;" in views["shelf"].note and "empty" not in views
    view = views["prepared-01234567"]
    assert (view.source, view.rows, view.format) == ("prepared", 5, "text")
    assert view.note == "web.jsonl: 50 tokens for data.max_length 64"
    assert service.resolve("prepared-01234567") == made and service.resolve("shelf") == shelf.parent
    with pytest.raises(DataError, match="is a folder"):
        service.preview("shelf")
    (made / "prepared.json").write_text("{}")
    assert "prepare the data again" in service.get("prepared-01234567").problem


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('{"text": "a"}', "text"),
        ('{"prompt": "a"}', "prompts"),
        ('{"prompt": "a", "completion": "b"}', "messages"),
        ('{"instruction": "a", "output": "b"}', "messages"),
        ('{"pixels": 3}', "unknown"),
    ],
)
def test_the_format_is_seen_from_the_first_row(service: DatasetService, text: str, form: str):
    add(service, "some.jsonl", text)
    assert service.get("some").format == form


def test_preview_shows_rows_as_they_are(service: DatasetService):
    assert [row["messages"][0]["content"] for row in service.preview("chat", 2)] == ["hello 0", "hello 1"]
    add(service, "list.json", '[{"text": "a"}, {"text": "b"}]')
    assert service.preview("list") == [{"text": "a"}, {"text": "b"}]
    add(service, "bad.jsonl", '{"text": 1}\nnot json\n[1]\n')
    assert service.preview("bad") == [{"text": 1}, {"broken": "not json"}, {"broken": "[1]"}]


@pytest.mark.parametrize("text", ["", "{oops", b"\xff\xfe\x00", "[1, 2]"])
def test_what_is_wrong_is_told_in_the_list(service: DatasetService, text):
    add(service, "wrong.jsonl", text)
    assert service.get("wrong").problem
    add(service, "wrong2.json", "{}")
    assert service.get("wrong2").problem


def test_counting_has_a_limit(service: DatasetService, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(first_rows, "COUNT_BYTES", 100)
    add(service, "long.txt", "0123456789\n" * 50)
    view = service.get("long")
    assert view.rows == 9 and not view.rows_exact


def test_a_line_without_end_is_not_held(service: DatasetService, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(first_rows, "COUNT_BYTES", 100_000)
    file = service.roots["home"] / "bomb.txt.gz"
    file.write_bytes(gzip.compress(bytes(8_000_000), 1))
    tracemalloc.start()
    assert first_rows.count_rows(file)[1] is False
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2_000_000


def test_a_link_out_of_the_folder_is_not_shown(service: DatasetService, tmp_path: Path):
    secret = tmp_path / "secret.txt"
    secret.write_text("key")
    (service.roots["home"] / "link.txt").symlink_to(secret)
    with pytest.raises(AccessError):
        service.preview("link")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "sudoku"])
def test_preview_of_other_places_is_refused(service: DatasetService, name: str):
    with pytest.raises((DataError, AccessError)):
        service.preview(name)


def test_resolve(service: DatasetService, tmp_path: Path):
    assert service.resolve("chat") == service.resolve("chat.jsonl") == service.roots["bundled"] / "chat.jsonl"
    mine = tmp_path / "my file.jsonl"
    mine.write_text('{"text": "a"}\n')
    assert service.resolve(str(mine)) == mine
    with pytest.raises(DataError, match=r"nowhere\.jsonl: there is no such file"):
        service.resolve("nowhere.jsonl")
    with pytest.raises(DataError, match="Did you mean chat"):
        service.resolve("chatt")
    assert service.resolve(str(tmp_path)) == tmp_path


def test_resolve_a_mix(service: DatasetService, tmp_path: Path):
    chat = service.roots["bundled"] / "chat.jsonl"
    assert service.resolve_mix("chat") == str(chat)
    odd = tmp_path / "a + b.jsonl"
    odd.write_text('{"text": "a"}\n')
    assert service.resolve_mix(str(odd)) == str(odd)
    mix = service.resolve_mix(f'chat[train:3] + 0.5 * "{odd}" + mine', listed=["mine"])
    assert [(p.name, p.weight) for p in parse(mix)] == [(str(chat), 1), (str(odd), 0.5), ("mine", 1)]
    pinned = f"openai/gsm8k:main@{'0' * 40}"
    assert service.resolve_mix(pinned) == pinned
    with pytest.raises(DataError, match=r"write its commit too: openai/gsm8k@<commit>"):
        service.resolve_mix("openai/gsm8k")
    with pytest.raises(DataError, match="Did you mean chat"):
        service.resolve_mix("chat + chatt")


def test_resolve_what_a_job_prepared(service: DatasetService, tmp_path: Path):
    run = tmp_path / "home" / "runs" / "prepare-0001"
    run.mkdir(parents=True)
    with pytest.raises(DataError, match="run:prepare-0001 is no preparation that has finished"):
        service.resolve("run:prepare-0001")
    (run / "result.json").write_text(json.dumps({"prepared": str(tmp_path)}))
    assert service.resolve("run:prepare-0001") == tmp_path
