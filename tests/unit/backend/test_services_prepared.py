"""Prepared data: ours alone is listed, the longest unused first, and what is in use stays."""

import fcntl
import os
from pathlib import Path

import pytest

from backend.services.prepared import delete, preparations
from jobs.protocol.errors import ResourceError
from jobs.specs.data_files import LOCK, PREPARED, USED


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three preparations of 1000 bytes, used one after the other, the last one not finished."""
    for day, name in ((2, "middle"), (1, "old"), (3, "new")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "shard-00000.arrow").write_bytes(b"x" * 1000)
        for mark in (LOCK, USED, *((PREPARED,) if name != "new" else ())):
            (folder / mark).touch()
            os.utime(folder / mark, (day, day))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("not prepared data")
    (tmp_path / "link").symlink_to(tmp_path / "old")
    return tmp_path


def test_ours_are_listed_and_the_longest_unused_comes_first(root: Path):
    found = preparations(root)
    assert [one.path.name for one in found] == ["old", "middle", "new"]
    assert {one.size_bytes for one in found} == {1000} and found[0].last_used == 1


@pytest.mark.parametrize(("mark", "how"), [(LOCK, fcntl.LOCK_EX), (USED, fcntl.LOCK_SH)])
def test_what_a_job_writes_or_reads_stays(root: Path, mark: str, how: int):
    with open(root / "old" / mark) as held:
        fcntl.flock(held, how)
        with pytest.raises(ResourceError, match="in use"):
            delete(root / "old")
        assert (root / "old").is_dir()
    delete(root / "old")
    assert not (root / "old").exists() and (root / "mine" / "letter.txt").exists()


def test_no_folder_is_no_error(tmp_path: Path):
    assert preparations(tmp_path / "none") == []
