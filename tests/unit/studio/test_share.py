"""studio export-sample and import-sample on the command line."""

import ast
import json

import pytest

from jobs.protocol import trajectory
from jobs.protocol.folder import RunFolder
from tests.fakes.films import HOSTILE, film

REQUEST = "serve-0001_film"


@pytest.fixture
def written(studio_home):
    """A text in the home folder, by a bundled model."""
    folder = RunFolder(studio_home / "runs" / "serve-0001")
    folder.samples.mkdir(parents=True)
    folder.sample(REQUEST).write_text("".join(map(trajectory.encode, film())), encoding="utf-8")


def test_a_text_leaves_in_each_form_and_comes_back(studio, written, tmp_path):
    for form in ("html", "json", "gif", "py"):
        assert studio("export-sample", REQUEST, "-o", str(tmp_path / f"story.{form}"))[0] == 0
    page = (tmp_path / "story.html").read_text(encoding="utf-8")
    assert HOSTILE not in page and "default-src &#x27;none&#x27;" in page
    assert (tmp_path / "story.gif").read_bytes().startswith(b"GIF89a")
    ast.parse((tmp_path / "story.py").read_text(encoding="utf-8"))
    code, out, _ = studio("import-sample", str(tmp_path / "story.json"), "--json")
    request = json.loads(out)["request"]
    assert code == 0
    assert studio("export-sample", request, "-o", str(tmp_path / "again.json"))[0] == 0
    one, other = (json.loads((tmp_path / name).read_text("utf-8")) for name in ("story.json", "again.json"))
    assert one["lines"][1:] == other["lines"][1:] and one["provenance"] == other["provenance"]


def test_what_cannot_be_is_a_sentence(studio, written, tmp_path):
    there = tmp_path / "there.json"
    there.write_text("{}")
    refused = {
        ("export-sample", REQUEST, "-o", str(tmp_path / "story.docx")): "ends in .html",
        ("export-sample", REQUEST, "-o", str(there)): "there already",
        ("export-sample", "../../etc", "-o", str(tmp_path / "x.json")): "not a sample id",
        ("import-sample", str(there)): "no trajectory",
        ("import-sample", str(tmp_path / "none.json")): "no file",
    }
    for words, says in refused.items():
        code, _, err = studio(*words)
        assert code == 2 and says in err, words
