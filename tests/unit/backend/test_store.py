"""The database file: settings, versions, and one sentence for each way a disk says no."""

import errno
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from backend.store import Store, engine
from backend.store.migrations import MIGRATIONS
from jobs.protocol.errors import ResourceError


def test_settings_of_every_connection(studio_home):
    store = Store(studio_home)  # a home with blanks, quotes and a dollar in its name
    with store.read() as conn:
        values = [conn.execute(text(f"PRAGMA {p}")).scalar() for p in ("journal_mode", "foreign_keys")]
        assert values == ["wal", 1]
        assert conn.execute(text("PRAGMA busy_timeout")).scalar() == 30_000
        assert conn.execute(text("PRAGMA synchronous")).scalar() == 1
        assert conn.execute(text("PRAGMA user_version")).scalar() == len(MIGRATIONS)
    store.close()
    assert studio_home.stat().st_mode & 0o777 == 0o700
    assert sqlite3.connect(studio_home / "studio.db").execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_a_writer_holds_the_lock_from_its_first_moment(tmp_path):
    store = Store(tmp_path / "home")
    with store.write():  # no statement yet
        other = sqlite3.connect(store.path, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    with store.read() as conn:
        conn.execute(text("SELECT * FROM jobs"))
        sqlite3.connect(store.path, timeout=0).execute("BEGIN IMMEDIATE")  # readers block nobody
    store.close()


def test_a_failed_transaction_leaves_nothing(tmp_path):
    store = Store(tmp_path / "home")
    with pytest.raises(ZeroDivisionError), store.write() as conn:
        conn.execute(text("INSERT INTO leases VALUES ('a', 'b', 1)"))
        raise ZeroDivisionError
    with store.read() as conn:
        assert conn.execute(text("SELECT count(*) FROM leases")).scalar() == 0


def test_a_newer_database_is_refused(tmp_path):
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / "studio.db") as conn:
        conn.execute("PRAGMA user_version = 999")
    with pytest.raises(ResourceError, match="newer version"):
        Store(tmp_path)


def test_a_database_of_the_first_version_keeps_its_rows_and_gains_what_is_new(tmp_path):
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / "studio.db") as conn:
        conn.execute("INSERT INTO leases VALUES ('a', 'b', 1)")
        conn.execute("DROP TABLE validation_levels")
        conn.execute("PRAGMA user_version = 1")
    store = Store(tmp_path)
    with store.read() as conn:
        assert conn.execute(text("SELECT count(*) FROM leases")).scalar() == 1
        assert conn.execute(text("SELECT count(*) FROM validation_levels")).scalar() == 0
    store.close()


def test_a_broken_database_names_the_remedy(tmp_path):
    (tmp_path / "studio.db").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(ResourceError, match="studio doctor --rebuild"):
        Store(tmp_path)


def test_a_database_that_was_replaced_is_noticed(tmp_path):
    store = Store(tmp_path)
    store.check_file()
    store.path.unlink()
    for _ in range(2):
        with pytest.raises(ResourceError, match="deleted or replaced"):
            store.check_file()
        Store(tmp_path).close()  # another process makes a new one
    store.close()


def test_a_home_that_cannot_be_written(tmp_path, monkeypatch):
    def refuse(self, *_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(ResourceError, match=r"cannot be written \(Read-only file system\).*--home"):
        Store(tmp_path)


def test_a_full_disk(tmp_path, monkeypatch):
    def refuse(self, *_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(ResourceError, match="is full"):
        Store(tmp_path)


def test_a_database_that_meets_a_full_disk(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(ResourceError, match="is full"), store.write() as conn:
        pages = conn.execute(text("PRAGMA page_count")).scalar()
        conn.execute(text(f"PRAGMA max_page_count = {pages}"))
        for i in range(2000):
            conn.execute(text("INSERT INTO leases VALUES (:n, :h, 1)"), {"n": str(i), "h": "x" * 500})
    store.close()


def test_network_disks_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "file_system", lambda _: "nfs4")
    with pytest.raises(ResourceError, match=r"network disk \(nfs4\)"):
        Store(tmp_path)


def test_file_system_of_a_path():
    assert engine.file_system(Path("/proc")) == "proc"
    assert engine.file_system(Path("/procession/of/kings")) != "proc"
