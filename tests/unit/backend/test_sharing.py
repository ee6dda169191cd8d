"""What leaves the studio comes back as it was, and nothing that comes in is believed."""

import ast
import io
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from backend.api.app import create_app
from backend.services import film_document, film_drawing, film_pictures, film_script
from backend.services.film_fonts import Fonts
from jobs.protocol import trajectory
from jobs.protocol.errors import DataError, JobError, ResourceError
from jobs.protocol.folder import RunFolder
from tests.fakes.films import HOSTILE, film
from tests.fakes.studio import make_studio

REQUEST = "serve-0001_film"
THEME = Path(__file__).parents[3] / "ui" / "theme.css"


@pytest.fixture
def studio(studio_home):
    with make_studio(studio_home) as studio:
        yield studio


def kept(studio: Any, lines: list[dict[str, Any]]) -> None:
    """A trajectory that a model server wrote."""
    folder = RunFolder(studio.runs / "serve-0001")
    folder.samples.mkdir(parents=True, exist_ok=True)
    folder.sample(REQUEST).write_text("".join(map(trajectory.encode, lines)), encoding="utf-8")


def exported(**start: Any) -> dict[str, Any]:
    return json.loads(json.dumps(film_document.document(film(**start), {"studio": "9", "request": REQUEST})))


def test_what_is_exported_is_taken_in_as_it_was(studio):
    kept(
        studio, film(model="/somewhere/of/mine/runs/train-0007/model", pictures=["/home/me/pictures/ab.png"])
    )
    document = studio.sharing.document(REQUEST)
    assert "/home" not in json.dumps(document) and "/somewhere" not in json.dumps(document)
    assert document["provenance"]["model"] == "run:train-0007"
    request = studio.sharing.take(json.dumps(document).encode())
    start, *rest = studio.sharing.lines(request)
    assert start.pop("imported")["request"] == REQUEST
    assert start == {**document["lines"][0], "request": request} and rest == document["lines"][1:]
    # and once more: it still says where it was written
    assert studio.sharing.document(request)["provenance"]["request"] == REQUEST


def test_a_bundled_model_is_called_by_its_name_and_found_by_it(studio):
    folder = str(studio.models.resolve("stories"))
    kept(studio, film(model=folder))
    document = studio.sharing.document(REQUEST)
    assert document["lines"][0]["model"] == "stories"
    request = studio.sharing.take(json.dumps(document).encode())
    assert studio.sharing.lines(request)[0]["model"] == folder


def test_what_is_still_written_or_never_began_is_not_shared(studio, monkeypatch):
    monkeypatch.setattr(studio.sampling, "settle", lambda request: False)
    kept(studio, film()[:2])
    with pytest.raises(JobError, match="still being written"):
        studio.sharing.document(REQUEST)
    kept(studio, film()[-1:])
    with pytest.raises(JobError, match="no canvas"):
        studio.sharing.document(REQUEST)


def changed(path: str, value: Any) -> dict[str, Any]:
    """The document with one value changed: `lines.0.seed`."""
    document = exported()
    *way, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    place: Any = document
    for part in way:
        place = place[part]
    place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", "something else"),
        ("version", 2),
        ("lines", []),
        ("lines.0", film()[1]),
        ("lines.4", film()[1]),
        ("lines.1.type", "start"),
        ("lines.2.step", 0),  # twice
        ("lines.0.model", "/etc"),
        ("lines.0.model", "../../else"),
        ("lines.0.model", "~/models/x"),
        ("lines.0.pictures", ["/etc/passwd"]),
        ("lines.0.pictures", [".."]),
        ("lines.0.ids", [1, 9]),
        ("lines.0.length", 10**9),
        ("lines.0.given", [5]),
        ("lines.0.prompt_length", 6),
        ("lines.0.seed", -1),
        ("lines.0.sampler", {"name": {"deep": {"er": 1}}}),
        ("lines.0.grid", {"rows": 3, "columns": 3, "box_rows": 1, "box_columns": 1}),
        ("lines.0.grid", {"rows": 1, "columns": 5, "box_rows": 0, "box_columns": 1}),
        ("lines.1.deltas.0.0", 5),
        ("lines.1.deltas.0.0", -1),
        ("lines.1.deltas.0.3", 1.5),
        ("lines.1.deltas.0.4", "exploded"),
        ("lines.1.deltas.0.5", [["a", "b"]]),
        ("lines.1.seconds", float("nan")),
        ("lines.4.texts", ["a"]),
    ],
)
def test_a_document_that_is_not_as_it_must_be_is_refused(path: str, value: Any):
    with pytest.raises(DataError, match="no trajectory"):
        film_document.parse(json.dumps(changed(path, value)).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a": "\\ud800"}',
        b"x" * (film_document.MOST_BYTES + 1),
    ],
    ids=["empty", "cut", "list", "bytes", "deep", "surrogate", "long"],
)
def test_what_is_no_document_is_a_sentence(content: bytes):
    with pytest.raises(DataError):
        film_document.parse(content)


def test_a_newer_studio_may_have_written_more():
    document = exported(colour="of tomorrow")
    assert "colour" not in film_document.parse(json.dumps(document).encode()).lines[0].model_dump()


def test_nothing_in_a_prompt_becomes_code():
    evil = '"""\n\'\'\'; import os; os.system("true") # {model} \\'
    start = film(prompt=evil, sampler={"name": evil}, pictures=[evil])[0]
    tree = ast.parse(film_script.script(start, evil, steps=2))
    values = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}  # type: ignore[attr-defined]
    assert ast.literal_eval(values["PROMPT"]) == ast.literal_eval(values["MODEL"]) == evil
    assert ast.literal_eval(values["SAMPLER"]) == {"name": evil}
    imported = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert not any(isinstance(node, ast.Import) for node in tree.body) and "os" not in imported
    assert eval(ast.unparse(values["CANVAS"]), {"MASK": 9}) == start["ids"]
    assert "stopped after 2 steps" in (ast.get_docstring(tree) or "")


def test_the_gif_has_a_picture_a_step_and_stands_at_its_end():
    image = Image.open(io.BytesIO(film_pictures.gif(film())))
    durations = []
    for number in range(image.n_frames):  # type: ignore[attr-defined]
        image.seek(number)
        durations.append(image.info["duration"])
    assert durations == [80, 80, 80, 2400] and image.info["loop"] == 0


def test_a_drawn_cell_has_the_look_of_its_state():
    lines = film(texts=["Once", "", "", "", ""])
    shown = [picture.copy() for picture in film_drawing.frames(lines, 99)]
    boxes = film_drawing._Drawing(film_drawing.Film(lines)).boxes

    def colour(frame: int, position: int) -> str:
        left, top, *_ = boxes[position]
        return "#{:02x}{:02x}{:02x}".format(*shown[frame].getpixel((left + 4, top + 4)))  # type: ignore[misc]

    named = film_drawing.COLOURS
    assert [colour(0, position) for position in range(3)] == [named["surface"], named["mask"], named["mask"]]
    assert (colour(1, 1), colour(2, 1)) == (named["c5"], named["mask"])  # revealed, masked again
    assert colour(3, 2) == named["warn-soft"]  # edited
    few = list(film_drawing.frames(film(), 2))
    assert len(few) == 2  # its steps come together


def test_a_canvas_too_long_for_a_picture_is_refused():
    length = 3000
    start = {"length": length, "ids": [1] * length, "texts": ["word"] * length, "given": list(range(length))}
    lines = [*film(**start)[:1], {**film()[-1], "texts": []}]
    with pytest.raises(DataError, match="HTML"):
        film_pictures.gif(lines)


def test_the_drawing_has_the_colours_of_the_theme():
    light = THEME.read_text(encoding="utf-8").split(".dark")[0]
    theme = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    assert {name: theme[name] for name in film_drawing.COLOURS} == film_drawing.COLOURS


def test_a_letter_that_no_font_has_is_counted():
    fonts = Fonts(17)
    fonts.of("plain")
    assert fonts.missing == set()
    fonts.of("a\U0010fff0")
    assert fonts.missing == {"\U0010fff0"}


def test_without_ffmpeg_the_server_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ResourceError, match="install it"):
        film_pictures.mp4(film())


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_ffmpeg_makes_a_film():
    content = film_pictures.mp4(film())
    assert content[4:8] == b"ftyp" and b"avc1" in content


def test_what_ffmpeg_complains_of_is_told(tmp_path, monkeypatch):
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\ncat > /dev/null\necho 'no such encoder' >&2\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setattr(film_pictures, "shutil", SimpleNamespace(which=lambda name: str(fake)))
    with pytest.raises(ResourceError, match="no such encoder"):
        film_pictures.mp4(film())


def test_the_routes(studio):
    kept(studio, film(model=str(studio.models.resolve("stories"))))
    client = TestClient(create_app(studio), base_url="http://127.0.0.1")
    where = f"/api/samples/{REQUEST}/export"
    document = client.get(f"{where}.json")
    assert document.headers["content-disposition"] == f'attachment; filename="{REQUEST}.json"'
    assert HOSTILE in document.json()["lines"][0]["prompt"]
    assert client.get(f"{where}.gif").content.startswith(b"GIF89a")
    ast.parse(client.get(f"{where}.py").text)
    taken = client.post("/api/samples/import", content=document.content)
    assert taken.status_code == 201
    assert client.get(f"/api/samples/{taken.json()['request']}").json()["done"]
    assert client.post("/api/samples/import", content=b"{}").status_code == 400
    assert client.get("/api/samples/serve-0001_none/export.json").status_code == 409
