"""Pictures that people show, kept under the home."""

import pytest

from backend.services import pictures
from jobs.protocol.errors import DataError


def test_a_picture_is_kept_once_under_a_name_of_its_own(tmp_path):
    for name in ("one.png", "same.PNG", "other.png"):
        (tmp_path / name).write_bytes(b"other" if name == "other.png" else b"picture")
    folder = tmp_path / "home" / "pictures"
    names = [pictures.keep(tmp_path / name, folder) for name in ("one.png", "same.PNG", "other.png")]
    assert names[0] == names[1] != names[2] and all("/" not in name for name in names)
    assert sorted(file.name for file in folder.iterdir()) == sorted(set(names))
    assert (folder / names[0]).read_bytes() == b"picture"


@pytest.mark.parametrize(
    ("name", "says"),
    [("no.png", "There is no image"), ("words.txt", "no image by its name"), ("big.gif", "MiB")],
)
def test_what_is_no_picture_is_a_sentence(name, says, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_BYTES", 3)
    for file, content in (("words.txt", b"a"), ("big.gif", b"four")):
        (tmp_path / file).write_bytes(content)
    with pytest.raises(DataError, match=says):
        pictures.keep(tmp_path / name, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_pictures_come_before_the_words_and_without_one_words_stay_words():
    assert pictures.message("Who?", []) == {"role": "user", "content": "Who?"}
    image, words = {"type": "image", "image": "a.png"}, {"type": "text", "text": "Who?"}
    assert pictures.message("Who?", ["a.png"]) == {"role": "user", "content": [image, words]}
