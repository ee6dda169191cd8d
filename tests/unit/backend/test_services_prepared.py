"""Prepared data kept within a size: the oldest unused goes first, what is in use stays."""

import fcntl
import os
from pathlib import Path

import pytest

from backend.services.prepared import clean
from jobs.specs.data_files import LOCK, PREPARED, USED


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three preparations of 1000 bytes, used one after the other, the last one not finished."""
    for day, name in enumerate(("old", "middle", "new")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "shard-00000.arrow").write_bytes(b"x" * 1000)
        for mark in (LOCK, USED, *((PREPARED,) if name != "new" else ())):
            (folder / mark).touch()
            os.utime(folder / mark, (day, day))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("not prepared data")
    return tmp_path


@pytest.mark.parametrize(
    ("most", "removed", "kept"),
    [
        (5000, [], 3000),
        (2999, ["old"], 2000),
        (1500, ["old", "middle"], 1000),
        (0, ["old", "middle", "new"], 0),
    ],
)
def test_the_oldest_go_until_the_rest_fits(root: Path, most: int, removed: list[str], kept: int):
    told = clean(root, most, dry=True)
    assert all((root / name).is_dir() for name in ("old", "middle", "new"))
    done = clean(root, most)
    assert told == done and (done.removed, done.kept, done.freed) == (removed, kept, 3000 - kept)
    left = {path.name for path in root.iterdir()}
    assert left == {"old", "middle", "new", "mine"} - set(removed)


@pytest.mark.parametrize(("mark", "how"), [(LOCK, fcntl.LOCK_EX), (USED, fcntl.LOCK_SH)])
def test_what_a_job_writes_or_reads_stays(root: Path, mark: str, how: int):
    with open(root / "old" / mark) as held:
        fcntl.flock(held, how)
        done = clean(root, 0)
    assert done.in_use == ["old"] and done.removed == ["middle", "new"] and (root / "old").is_dir()
    assert clean(root, 0).removed == ["old"]


def test_no_folder_is_no_error(tmp_path: Path):
    assert clean(tmp_path / "none", 0).removed == []
